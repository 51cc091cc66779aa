"""The formats by name: who writes, who reads, and what each can carry."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from quizzes.interchange import archives, csv_table, gift, moodle_xml, qti, qti12, qti_reader
from quizzes.interchange.portable import PortableItem, portable
from quizzes.interchange.report import Report, Unreadable, exportable
from quizzes.interchange.safe_xml import legal
from quizzes.item_specs import ItemSpec

MAX_UPLOAD_BYTES = 32 * 1024 * 1024
MAX_ITEMS = 2_000
"""In one import or export; more would keep the linter, which compares items with each other, for minutes."""


@dataclass(frozen=True)
class Format:
    """A format: its name for people, its file's ending, and its two directions; None where there is none."""

    slug: str
    name: str
    suffix: str
    content_type: str
    carries: frozenset[str]
    kinds: frozenset[str]
    read: Callable[[bytes, Report], list[PortableItem]] | None
    write: Callable[[Sequence[PortableItem], Report], bytes] | None


FORMATS: dict[str, Format] = {
    each.slug: each
    for each in (
        Format("gift", "GIFT", "gift.txt", "text/plain", gift.CARRIES, gift.KINDS, gift.read, gift.write),
        Format(
            "moodle_xml",
            "Moodle XML",
            "xml",
            "application/xml",
            moodle_xml.CARRIES,
            moodle_xml.KINDS,
            moodle_xml.read,
            moodle_xml.write,
        ),
        Format("qti_3_0", "QTI 3.0", "zip", "application/zip", qti.CARRIES, qti.KINDS, qti_reader.read, qti.write_3_0),
        Format("qti_2_2", "QTI 2.2", "zip", "application/zip", qti.CARRIES, qti.KINDS, qti_reader.read, qti.write_2_2),
        Format("qti_1_2", "QTI 1.2 (Canvas)", "zip", "application/zip", frozenset(), frozenset(), qti12.read, None),
        Format("csv", "CSV", "csv", "text/csv", csv_table.CARRIES, csv_table.KINDS, csv_table.read, csv_table.write),
    )
}


def export(specs: Sequence[ItemSpec], form: Format) -> tuple[bytes, Report]:
    """The file, and what it does not carry; that stands in the file too, where the format has a place for remarks.

    Raises Unreadable for a format that is only read.
    """
    if form.write is None:
        raise Unreadable(f"{form.name} can be imported, not exported. QTI 2.2 is what comes closest.")
    report = Report()
    data = form.write(exportable([portable(spec) for spec in specs], form.carries, form.kinds, report), report)
    return _with_remarks(data, form, report), report


def _with_remarks(data: bytes, form: Format, report: Report) -> bytes:
    """The file with its report: a text beside the items, or a comment. A table has no place for one."""
    said = [f"{line.where}: {line.message}" for line in report.lines]
    if not said:
        return data
    if form.suffix == "zip":
        return archives.with_file(data, "loss_report.txt", "\n".join(said).encode())
    if form.slug == "gift":
        return data + "".join(f"\n// {' '.join(line.split())}" for line in said).encode() + b"\n"
    if form.slug == "moodle_xml":
        text = "\n".join(said).replace("--", "- -").removesuffix("-")
        return data + f"\n<!--\n{legal(text)}\n-->\n".encode()
    return data


def read(data: bytes, form: Format) -> tuple[list[PortableItem], Report]:
    """The items of a file, and what was refused or changed. Raises Unreadable when the file as a whole is no good."""
    if form.read is None:
        raise Unreadable(f"{form.name} cannot be imported.")
    if len(data) > MAX_UPLOAD_BYTES:
        raise Unreadable(f"The file is larger than {MAX_UPLOAD_BYTES // 2**20} MB.")
    if not data.strip():
        raise Unreadable("The file is empty.")
    report = Report()
    items = form.read(data, report)
    if len(items) > MAX_ITEMS:
        first_of_next = items[MAX_ITEMS].where
        raise Unreadable(
            f"The file has {len(items):,} items; {MAX_ITEMS:,} at once are allowed. Make several files of it, the second one "
            f"from {first_of_next} on, and import them into the same bank one after the other."
        )
    return items, report
