"""Read the YAML files of fixtures/banks into plain data; the database is not involved."""

import hashlib
from collections.abc import Mapping
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from quizzes.item_specs import BankSpec, Catalogue, Evidence, ItemSpec, OptionSpec, Source, Stimulus


class BankFileError(Exception):
    """A file that cannot be read as a bank; the message names the file, the place and what is wanted."""


VARIANTS_FILE = "computed_variants.yaml"
NOT_BANKS = {"blueprints.yaml", "misconceptions.yaml", VARIANTS_FILE}


def read_catalogue(folder: Path) -> Catalogue:
    """Blueprints and misconceptions of a folder of banks."""
    blueprints = _read(folder / "blueprints.yaml")
    misconceptions = _read(folder / "misconceptions.yaml")
    return Catalogue(
        tuple(blueprints["exams"]), tuple(blueprints["objectives"]), {str(k): str(v) for k, v in misconceptions.items()}
    )


def bank_paths(folder: Path) -> list[Path]:
    """The bank files of a folder, in the order of their names."""
    return [path for path in sorted(folder.glob("*.yaml")) if path.name not in NOT_BANKS]


def read_banks(folder: Path) -> list[BankSpec]:
    """Every bank of a folder, in the order of file names."""
    return [read_bank(path) for path in bank_paths(folder)]


def read_bank(path: Path) -> BankSpec:
    """One bank file; raises BankFileError naming the place that cannot be read."""
    return parse_bank(_text_of(path), path.name)


def parse_bank(text: str, where: str) -> BankSpec:
    """The bank that a file's text describes; `where` begins the messages of errors."""
    raw = _parse(text, where)
    exam = str(raw.get("exam", ""))
    entries = _need(raw, "items", list, where)
    items = [_item(entry, f"{where}, item {number}", exam) for number, entry in enumerate(entries, 1)]
    return BankSpec(
        slug=_need(raw, "bank", str, where),
        title=_need(raw, "title", str, where),
        description=str(raw.get("description", "")),
        declaration=str(raw.get("declaration", "")),
        items=tuple(items),
    )


def read_mapping(path: Path) -> dict[str, Any]:
    """The mapping that a YAML file holds."""
    return _read(path)


def parse_mapping(text: str, where: str) -> dict[str, Any]:
    """The mapping that a text in YAML describes; no key stands in it twice."""
    return _parse(text, where)


def parse_item(raw: Any, where: str, exam: str = "") -> ItemSpec:
    """The item that a mapping of a bank file describes. `exam`: the one that stands above the items."""
    return _item(raw, where, exam)


def file_digest(path: Path) -> str:
    """SHA-256 of the file's bytes: by it an editor sees that somebody else wrote the file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise BankFileError(f"{path.name} is missing beside the banks.") from None
    except UnicodeDecodeError as error:
        raise BankFileError(f"{path.name} is not UTF-8: {error}") from None


def _read(path: Path) -> dict[str, Any]:
    return _parse(_text_of(path), path.name)


def _parse(text: str, where: str) -> dict[str, Any]:
    try:
        raw = yaml.load(text, Loader=_Loader)  # noqa: S506 - a safe loader
    except (yaml.YAMLError, ValueError) as error:
        raise BankFileError(f"{where} is not valid YAML: {error}") from None
    if not isinstance(raw, dict):
        raise BankFileError(f"{where} must hold a mapping, not a {type(raw).__name__}.")
    return raw


_SafeLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the one written in C is ten times as quick


class _Loader(_SafeLoader):  # type: ignore[misc]  # which of the two it is shows at run time
    """A safe loader that takes no key twice, where YAML itself would keep the last one in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for name, _ in node.value:
            if isinstance(name, yaml.ScalarNode) and not name.tag.endswith(":merge"):
                if name.value in seen:
                    raise yaml.MarkedYAMLError(problem=f"the key {name.value!r} stands here twice", problem_mark=name.start_mark)
                seen.add(name.value)
        found: dict[Any, Any] = super().construct_mapping(node, deep)
        return found


def _need(raw: Mapping[str, Any], name: str, kind: type, where: str) -> Any:
    """A required field of the wanted type."""
    value = raw.get(name)
    if not isinstance(value, kind) or value in ("", [], {}):
        raise BankFileError(f"{where}: {name} is required and must be a {kind.__name__}, not {value!r}.")
    return value.strip() if isinstance(value, str) else value


def _item(raw: Any, where: str, exam: str) -> ItemSpec:
    if not isinstance(raw, dict):
        raise BankFileError(f"{where} must be a mapping.")
    where = f"{where} ({raw.get('key', 'without a key')})"
    source = _need(raw, "source", dict, where)
    kind = str(raw.get("kind", "single"))
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
        options=_options(raw, kind, where),
        exam_wording=str(raw.get("exam_wording", "")),
        current_name=str(raw.get("current_name", "")),
        language=str(raw.get("language", "en")),
        kind=kind,
        exam=str(raw.get("exam", exam)),
        difficulty=str(raw.get("difficulty", "")),
        stimulus=_stimulus(raw["stimulus"], where) if "stimulus" in raw else None,
        evidence=tuple(_evidence(entry, where) for entry in raw.get("evidence") or []),
        no_proof=" ".join(str(raw.get("no_proof", "")).split()),
        proof=_item_proof(raw, kind, where),
        parameters=_parameters(raw.get("parameters") or {}, where),
        constraints=tuple(str(entry) for entry in raw.get("constraints") or []),
    )


def _options(raw: Mapping[str, Any], kind: str, where: str) -> tuple[OptionSpec, ...]:
    """What is chosen or arranged; steps and pairs become options that all belong to the right answer."""
    name, read = {"ordering": ("steps", _step), "matching": ("pairs", _pair)}.get(kind, ("options", _option))
    entries = _need(raw, name, list, where)
    found = [_read_option(read, entry, f"{where}, {name[:-1]} {number}") for number, entry in enumerate(entries, 1)]
    extra = [str(text) for text in raw.get("extra_matches") or []] if kind == "matching" else []
    return (*found, *(OptionSpec(text, "", "", is_key=False, proof=None) for text in extra))


def _read_option(read: Any, raw: Any, where: str) -> OptionSpec:
    if not isinstance(raw, dict):
        raise BankFileError(f"{where} must be a mapping.")
    return read(raw, where)  # type: ignore[no-any-return]  # one of the readers of this module


def _option(raw: Mapping[str, Any], where: str, *, is_key: bool | None = None, text: str = "text") -> OptionSpec:
    shown = {**raw, text: f"{{{{fact.{raw['fact']}}}}}"} if "fact" in raw and text not in raw else raw
    if isinstance(shown.get(text), int | float) and not isinstance(shown.get(text), bool):
        raise BankFileError(f"{where}: {text} is the number {shown[text]}; write it in quotes, then it stays as it is.")
    return OptionSpec(
        text=_need(shown, text, str, where),
        rationale=_need(raw, "rationale", str, where),
        misconception=_need(raw, "misconception", str, where),
        is_key=bool(raw.get("key", False)) if is_key is None else is_key,
        proof=_proof(raw["proof"], where) if "proof" in raw else None,
        prompt=_need(raw, "prompt", str, where) if text == "match" else "",
    )


_step = partial(_option, is_key=True)
_pair = partial(_option, is_key=True, text="match")


def _item_proof(raw: Mapping[str, Any], kind: str, where: str) -> dict[str, Any] | None:
    if kind == "computed":
        return _proof(_need(raw, "compute", dict, where), where)
    return _proof(raw["proof"], where) if "proof" in raw else None


def _proof(raw: Any, where: str) -> dict[str, Any]:
    if not isinstance(raw, dict):
        raise BankFileError(f"{where}: proof must be a mapping with program, arguments, claims and observed.")
    return {
        "program": _need(raw, "program", str, f"{where}, proof"),
        "arguments": raw.get("arguments") or {},
        "claims": raw.get("claims") or {},
        "observed": raw.get("observed") or {},
    }


def _stimulus(raw: Any, where: str) -> Stimulus:
    if not isinstance(raw, dict):
        raise BankFileError(f"{where}: stimulus must be a mapping with language, caption and code.")
    where = f"{where}, stimulus"
    code = raw.get("code")
    if not isinstance(code, str) or not code.strip():
        raise BankFileError(f"{where}: code is required and must be text, not {code!r}.")
    return Stimulus(_need(raw, "language", str, where), _need(raw, "caption", str, where), code.rstrip("\n"))


def _evidence(raw: Any, where: str) -> Evidence:
    where = f"{where}, evidence"
    if not isinstance(raw, dict):
        raise BankFileError(f"{where} must be a mapping with says, source and dated.")
    dated = raw.get("dated") or raw.get("date")
    return Evidence(
        " ".join(_need(raw, "says", str, where).split()),
        _need(raw, "source", str, where),
        _need({"dated": dated}, "dated", date, where),
    )


def _parameters(raw: Any, where: str) -> dict[str, tuple[Any, ...]]:
    if not isinstance(raw, dict) or not all(isinstance(values, list) and values for values in raw.values()):
        raise BankFileError(f"{where}: parameters must map each name to a list of values.")
    return {str(name): tuple(values) for name, values in raw.items()}
