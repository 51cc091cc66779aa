"""Read the YAML files of fixtures/banks into plain data; the database is not involved."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import yaml


class BankFileError(Exception):
    """A file that cannot be read as a bank; the message names the file, the place and what is wanted."""


@dataclass(frozen=True)
class OptionSpec:
    """One choice as an author wrote it."""

    text: str
    rationale: str
    misconception: str
    is_key: bool
    proof: dict[str, Any] | None


@dataclass(frozen=True)
class Source:
    """Where the fact behind an item was read."""

    url: str
    dated: date
    product_version: str


@dataclass(frozen=True)
class ItemSpec:
    """One item as an author wrote it."""

    key: str
    objective: str
    bloom: str
    stem: str
    source: Source
    checked_on: date
    expires_on: date
    options: tuple[OptionSpec, ...]
    exam_wording: str = ""
    current_name: str = ""
    language: str = "en"

    @property
    def content_sha256(self) -> str:
        """Changes exactly when something changes that a learner or a proof can see."""
        text = json.dumps(asdict(self), sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def key_position(self) -> int:
        """Index of the first key; -1 when there is none."""
        return next((index for index, option in enumerate(self.options) if option.is_key), -1)


@dataclass(frozen=True)
class BankSpec:
    """One bank file."""

    slug: str
    title: str
    description: str
    declaration: str
    items: tuple[ItemSpec, ...]


@dataclass(frozen=True)
class Catalogue:
    """What banks refer to: exams with blueprints and objectives (as in the file), and misconceptions by tag."""

    exams: tuple[dict[str, Any], ...]
    objectives: tuple[dict[str, Any], ...]
    misconceptions: dict[str, str] = field(default_factory=dict)

    @property
    def objective_slugs(self) -> set[str]:
        return {objective["slug"] for objective in self.objectives}


NOT_BANKS = {"blueprints.yaml", "misconceptions.yaml"}


def read_catalogue(folder: Path) -> Catalogue:
    """Blueprints and misconceptions of a folder of banks."""
    blueprints = _read(folder / "blueprints.yaml")
    misconceptions = _read(folder / "misconceptions.yaml")
    return Catalogue(
        tuple(blueprints["exams"]), tuple(blueprints["objectives"]), {str(k): str(v) for k, v in misconceptions.items()}
    )


def read_banks(folder: Path) -> list[BankSpec]:
    """Every bank of a folder, in the order of file names."""
    return [read_bank(path) for path in sorted(folder.glob("*.yaml")) if path.name not in NOT_BANKS]


def read_bank(path: Path) -> BankSpec:
    """One bank file; raises BankFileError naming the place that cannot be read."""
    raw = _read(path)
    where = path.name
    items = [_item(entry, f"{where}, item {number}") for number, entry in enumerate(_need(raw, "items", list, where), 1)]
    return BankSpec(
        slug=_need(raw, "bank", str, where),
        title=_need(raw, "title", str, where),
        description=str(raw.get("description", "")),
        declaration=str(raw.get("declaration", "")),
        items=tuple(items),
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BankFileError(f"{path.name} is missing beside the banks.") from None
    except yaml.YAMLError as error:
        raise BankFileError(f"{path.name} is not valid YAML: {error}") from None
    if not isinstance(raw, dict):
        raise BankFileError(f"{path.name} must hold a mapping, not a {type(raw).__name__}.")
    return raw


def _need(raw: Mapping[str, Any], name: str, kind: type, where: str) -> Any:
    """A required field of the wanted type."""
    value = raw.get(name)
    if not isinstance(value, kind) or value in ("", [], {}):
        raise BankFileError(f"{where}: {name} is required and must be a {kind.__name__}, not {value!r}.")
    return value.strip() if isinstance(value, str) else value


def _item(raw: Any, where: str) -> ItemSpec:
    if not isinstance(raw, dict):
        raise BankFileError(f"{where} must be a mapping.")
    where = f"{where} ({raw.get('key', 'without a key')})"
    source = _need(raw, "source", dict, where)
    options = [_option(entry, f"{where}, option {number}") for number, entry in enumerate(_need(raw, "options", list, where), 1)]
    return ItemSpec(
        key=_need(raw, "key", str, where),
        objective=_need(raw, "objective", str, where),
        bloom=_need(raw, "bloom", str, where),
        stem=" ".join(_need(raw, "stem", str, where).split()),
        source=Source(
            _need(source, "url", str, where), _need(source, "dated", date, where), _need(source, "product_version", str, where)
        ),
        checked_on=_need(raw, "checked_on", date, where),
        expires_on=_need(raw, "expires_on", date, where),
        options=tuple(options),
        exam_wording=str(raw.get("exam_wording", "")),
        current_name=str(raw.get("current_name", "")),
        language=str(raw.get("language", "en")),
    )


def _option(raw: Any, where: str) -> OptionSpec:
    if not isinstance(raw, dict):
        raise BankFileError(f"{where} must be a mapping.")
    return OptionSpec(
        text=_need(raw, "text", str, where),
        rationale=_need(raw, "rationale", str, where),
        misconception=_need(raw, "misconception", str, where),
        is_key=bool(raw.get("key", False)),
        proof=_proof(raw["proof"], where) if "proof" in raw else None,
    )


def _proof(raw: Any, where: str) -> dict[str, Any]:
    if not isinstance(raw, dict):
        raise BankFileError(f"{where}: proof must be a mapping with program, arguments, claims and observed.")
    return {
        "program": _need(raw, "program", str, f"{where}, proof"),
        "arguments": raw.get("arguments") or {},
        "claims": raw.get("claims") or {},
        "observed": raw.get("observed") or {},
    }
