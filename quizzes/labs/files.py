"""Read the lab files of fixtures/labs and keep the Lab rows like them."""

import hashlib
import json
from pathlib import Path
from typing import Any

import yaml

from quizzes.labs.checks import CHECKS
from quizzes.labs.specification import LabSpec
from quizzes.labs.steps import CLEANUPS, SETUPS, SOLUTIONS
from quizzes.models import Lab


class LabFileError(Exception):
    """A lab file that cannot be used; the message says what is wanted."""


def read_specification(raw: dict[str, Any], where: str) -> LabSpec:
    """A validated specification; raises LabFileError."""
    try:
        spec = LabSpec.of(raw)
    except (KeyError, TypeError) as error:
        raise LabFileError(f"{where}: a field is missing or unknown: {error}") from None
    total = sum(check.weight for check in spec.checks)
    if total != 100:
        raise LabFileError(f"{where}: the weights of the checks add up to {total}, not to 100.")
    for kind, name, known in (
        *(("check", check.name, set(CHECKS)) for check in spec.checks),
        ("setup", spec.setup, set(SETUPS)),
        ("solve", spec.solve, set(SOLUTIONS)),
        ("cleanup", spec.cleanup, set(CLEANUPS)),
    ):
        if name not in known:
            raise LabFileError(f"{where}: there is no {kind} {name!r}; there are {', '.join(sorted(known))}.")
    return spec


def load_labs(folder: Path) -> int:
    """Load every lab of the folder; how many there are."""
    paths = sorted(folder.glob("*.yaml"))
    for path in paths:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
        spec = read_specification(raw, path.name)
        digest = hashlib.sha256(json.dumps(raw, sort_keys=True).encode()).hexdigest()
        fields = {"title": spec.title, "summary": spec.summary, "minutes": spec.minutes}
        Lab.objects.update_or_create(slug=spec.slug, defaults={**fields, "specification": raw, "content_sha256": digest})
    return len(paths)
