"""CSV, one item a row, for spreadsheets; carries everything but proofs and evidence. No cell can be taken for a formula."""

import csv
import io
from collections.abc import Sequence

from quizzes.interchange.portable import META, PortableItem, PortableOption
from quizzes.interchange.report import Report, Unreadable
from quizzes.item_specs import Stimulus

CARRIES = frozenset({*META, "misconception", "matching_rationale"})
KINDS = frozenset({"single", "multiple", "ordering", "matching"})
MAX_OPTIONS = 10
MAX_CELL_CHARACTERS = 100_000
_OPTION_COLUMNS = ("prompt", "text", "is_key", "rationale", "misconception")
_STIMULUS_COLUMNS = ("stimulus_language", "stimulus_caption", "stimulus_code")
COLUMNS = (
    "key",
    "kind",
    "stem",
    *_STIMULUS_COLUMNS,
    *META,
    *(f"option_{number}_{column}" for number in range(1, MAX_OPTIONS + 1) for column in _OPTION_COLUMNS),
)
REQUIRED = ("key", "kind", "stem", "option_1_text", "option_2_text")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "'")
"""What a spreadsheet may take for the beginning of a formula (OWASP, CSV injection), and the apostrophe that protects from it."""


def write(items: Sequence[PortableItem], report: Report) -> bytes:
    """UTF-8 with a byte order mark, which spreadsheets need to read it as such."""
    out = io.StringIO(newline="")
    table = csv.DictWriter(out, COLUMNS, restval="", lineterminator="\r\n")
    table.writeheader()
    for item in items:
        if len(item.options) > MAX_OPTIONS:
            report.refused(item.key, f"It has more than {MAX_OPTIONS} options.")
            continue
        table.writerow({name: _cell(value) for name, value in _row(item).items()})
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def _row(item: PortableItem) -> dict[str, str]:
    row = {"key": item.key, "kind": item.kind, "stem": item.stem, **item.meta}
    if item.stimulus:
        row |= zip(_STIMULUS_COLUMNS, (item.stimulus.language, item.stimulus.caption, item.stimulus.code), strict=True)
    for number, option in enumerate(item.options, 1):
        values = (option.prompt, option.text, "yes" if option.is_key else "no", option.rationale, option.misconception)
        row |= {f"option_{number}_{column}": value for column, value in zip(_OPTION_COLUMNS, values, strict=True)}
    return row


def _cell(value: str) -> str:
    return f"'{value}" if value.startswith(_FORMULA) else value


def _value(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULA) else cell


def read(data: bytes, report: Report) -> list[PortableItem]:
    """The rows that are items; others are refused with their line. Raises Unreadable when the table itself cannot be read."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise Unreadable(f"Line {line} is not UTF-8. Save the table as CSV UTF-8.") from None
    if "\x00" in text:
        raise Unreadable("The file holds null characters; it is no CSV table.")
    csv.field_size_limit(MAX_CELL_CHARACTERS)
    table = csv.DictReader(io.StringIO(text, newline=""), delimiter=_delimiter(text))
    try:
        return _read_rows(table, report)
    except csv.Error as error:
        raise Unreadable(f"Line {table.line_num} cannot be read: {error}") from None


def _read_rows(table: "csv.DictReader[str]", report: Report) -> list[PortableItem]:
    if missing := [name for name in REQUIRED if name not in (table.fieldnames or ())]:
        raise Unreadable(f"The first line has no column {', '.join(missing)}. Export a bank to see the columns.")
    found = []
    for row in table:
        where = f"line {table.line_num}"
        try:
            found.append(_item({name: _value(cell or "") for name, cell in row.items() if isinstance(name, str)}, where))
        except ValueError as error:
            report.refused(where, str(error))
    return found


def _delimiter(text: str) -> str:
    """Spreadsheets of some countries write semicolons."""
    first = text.split("\n", 1)[0]
    return ";" if first.count(";") > first.count(",") else ","


def _item(row: dict[str, str], where: str) -> PortableItem:
    if row["kind"] not in KINDS:
        raise ValueError(f"The kind is {row['kind']!r}; it must be one of {', '.join(sorted(KINDS))}.")
    options = tuple(option for number in range(1, MAX_OPTIONS + 1) if (option := _option(row, number)) is not None)
    if len(options) < 2:
        raise ValueError("An item needs two options or more.")
    code = row.get("stimulus_code", "")
    stimulus = Stimulus(row.get("stimulus_language") or "text", row.get("stimulus_caption", ""), code) if code else None
    meta = {name: row[name] for name in META if row.get(name)}
    return PortableItem(row["key"], row["kind"], row["stem"], options, stimulus, meta, where)


def _option(row: dict[str, str], number: int) -> PortableOption | None:
    prompt, text, is_key, rationale, misconception = (row.get(f"option_{number}_{column}") or "" for column in _OPTION_COLUMNS)
    if not text:
        return None
    said = is_key.strip().lower()
    if said not in {"yes", "no", "true", "false", "1", "0", ""}:
        raise ValueError(f"option_{number}_is_key is {is_key!r}; it must be yes or no.")
    return PortableOption(text, said in {"yes", "true", "1"}, rationale, prompt, misconception)
