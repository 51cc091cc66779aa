"""The recorded facts of computed items: fixtures/banks/computed_variants.yaml, written by `manage.py proofs --record`.

A fresh site has no sandbox run behind it; it asks computed items with the facts that are recorded here. `make proofs` computes
them anew and fails when the sandbox no longer agrees.
"""

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from quizzes.bank_files import VARIANTS_FILE, read_mapping
from quizzes.item_specs import ItemSpec
from quizzes.variants import Computed, computation_digest

HEAD = "# What the sandbox reported for the computed items. Written by `make record-proofs`; do not edit by hand.\n"


def read_variants(folder: Path) -> dict[str, dict[str, Any]]:
    """By item key: {computation_sha256, variants: [{parameters, facts}]}; empty when nothing was recorded."""
    path = folder / VARIANTS_FILE
    return read_mapping(path) if path.exists() else {}


def recorded_for(spec: ItemSpec, recorded: Mapping[str, Mapping[str, Any]]) -> list[Computed]:
    """The facts recorded for exactly this computation; empty when it has changed since, and for items that compute nothing."""
    entry = recorded.get(spec.key, {})
    if spec.kind != "computed" or entry.get("computation_sha256") != computation_digest(spec):
        return []
    return [Computed(variant["parameters"], variant["facts"]) for variant in entry["variants"]]


def record(folder: Path, found: Mapping[str, tuple[ItemSpec, Sequence[Computed]]], known: set[str]) -> None:
    """Write what was found beside what is recorded of other items; entries of items outside `known` go."""
    kept = {key: entry for key, entry in read_variants(folder).items() if key in known}
    for key, (spec, variants) in found.items():
        entries = [{"parameters": dict(one.parameters), "facts": dict(one.facts)} for one in variants]
        kept[key] = {"computation_sha256": computation_digest(spec), "variants": entries}
    text = HEAD + yaml.safe_dump({key: kept[key] for key in sorted(kept)}, sort_keys=False, width=130, default_flow_style=None)
    write_atomically(folder / VARIANTS_FILE, text)


def write_atomically(path: Path, text: str) -> None:
    """The file has either its old or its new text, whatever happens in between."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, prefix=f".{path.name}.", delete=False) as new:
        new.write(text)
        new.flush()
        os.fsync(new.fileno())
    os.chmod(new.name, path.stat().st_mode & 0o777 if path.exists() else 0o644)
    os.replace(new.name, path)
