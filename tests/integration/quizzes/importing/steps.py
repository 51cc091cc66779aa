"""What the tests of imports do again and again: confirm, look at a plan, make files."""

import html
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings as django_settings

from quizzes.bank_files import read_bank
from quizzes.interchange import importing
from quizzes.interchange.plans import Plan
from quizzes.item_specs import ItemSpec
from quizzes.models import ImportRun

BANKS = django_settings.FIXTURES_DIR / "banks"
KEY = "custom-split-adds-up"

Dry = Callable[..., ImportRun]


def stored(run: ImportRun, *, without_refused: bool = False) -> ImportRun:
    """The run after its confirmation, as the worker leaves it."""
    ImportRun.objects.filter(pk=run.pk, state="planned").update(state="confirmed", without_refused=without_refused)
    assert importing.store_import(run.pk)
    run.refresh_from_db()
    return run


def states(plan: Plan) -> dict[str, str]:
    return {entry.key or entry.where: entry.state for entry in plan.entries}


def reasons(run: ImportRun, name: str) -> str:
    return " ".join(next(e for e in importing.plan_of(run).entries if name in (e.key, e.where)).reasons)


def texts(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def item_of(folder: Path, bank: str, key: str) -> ItemSpec:
    return next(item for item in read_bank(folder / f"{bank}.yaml").items if item.key == key)


def csv_items(count: int, **more: str) -> bytes:
    """Items whose words are all their own."""
    head = ["key", "kind", "stem", *(f"option_{n}_{c}" for n in range(1, 4) for c in ("text", "is_key", "rationale")), *more]
    lines = [",".join(head)]
    for number in range(count):
        words = [f"{stem}{number}" for stem in ("plain", "slope", "ridge")]
        options = [
            cell
            for place, word in enumerate(words)
            for cell in (f"The {word} way", "yes" if place == number % 3 else "no", f"Because of {word}.")
        ]
        lines.append(
            ",".join(
                [
                    f"made-{number}",
                    "single",
                    f"Town{number} asks gully{number} which marsh{number} fits?",
                    *options,
                    *more.values(),
                ]
            )
        )
    return "\n".join(lines).encode()


def shown(answer: Any) -> str:
    return html.unescape(answer.content.decode())
