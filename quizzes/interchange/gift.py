"""GIFT, Moodle's text format (docs.moodle.org/en/GIFT_format): choices, matching and ordering.

Ordering is written as Moodle's own ordering questions write it (`{>number  numbering`, one step a line).
"""

import re
from collections.abc import Iterator, Sequence

from quizzes.interchange.html import text_of_html
from quizzes.interchange.portable import PortableItem, PortableOption, joined_stem, parted_stem, with_general_rationale
from quizzes.interchange.report import Report, Unreadable

CARRIES = frozenset({"exam", "objective", "bloom", "difficulty"})
KINDS = frozenset({"single", "multiple", "ordering", "matching"})

_SPECIAL = re.compile(r"[\\~=#{}:]")
_TAG = re.compile(r"\[tag:((?:[^\]\\]|\\.)*)\]")
_ID = re.compile(r"\[id:((?:[^\]\\]|\\.)*)\]")
_WEIGHT = re.compile(r"%(-?\d+(?:\.\d+)?)%")
_FORMAT = re.compile(r"\[(html|moodle|plain|markdown)\]")
_MARKUP = re.compile(
    r"</?(?:p|br|div|span|b|i|em|strong|u|code|pre|ul|ol|li|a|img|sub|sup|table|script|style|h[1-6])\b[^>]*>", re.I
)
"""In a text that names no format, what shows that it is HTML."""
_PLACEHOLDER = "\ue000"


def write(items: Sequence[PortableItem], report: Report) -> bytes:
    """One GIFT file, UTF-8."""
    return "\n\n".join(_written(item, report) for item in items).encode() + b"\n"


def _written(item: PortableItem, report: Report) -> str:
    tags = "".join(f" [tag:{name}={item.meta[name]}]" for name in sorted(CARRIES) if item.meta.get(name))
    head = f"// [id:{item.key}]{tags}\n::{_escaped(item.key)}::[markdown]{_escaped(joined_stem(item))}"
    if item.kind == "ordering":
        steps = "".join(f"{_answer(option.text)}\n" for option in item.options)
        if any(option.rationale for option in item.options):
            report.dropped(item.key, "Not carried: rationales of steps.")
        return f"{head}{{>{len(item.options)}     none\n{steps}}}"
    if item.kind == "matching":
        pairs = [f"={_side(option.prompt, item, report)} -> {_side(option.text, item, report)}" for option in item.options]
        return f"{head}{{\n" + "\n".join(pairs) + "\n}"
    return f"{head}{{\n" + "\n".join(_choice(item, option) for option in item.options) + "\n}"


def _choice(item: PortableItem, option: PortableOption) -> str:
    feedback = f"#{_answer(option.rationale)}" if option.rationale else ""
    if item.kind == "single":
        return f"{'=' if option.is_key else '~'}{_answer(option.text)}{feedback}"
    keys = sum(each.is_key for each in item.options)
    weight = f"%{100 / keys:.5f}%" if option.is_key else "%-100%"
    return f"~{weight}{_answer(option.text)}{feedback}"


def _answer(text: str) -> str:
    """A text within the braces; one that begins like a weight, a format or a comment must not be read as one."""
    escaped = _escaped(text)
    return f"[markdown]{escaped}" if escaped.startswith(("%", "[", "//")) else escaped


def _side(text: str, item: PortableItem, report: Report) -> str:
    """GIFT has no way to write an arrow within a side of a pair."""
    if "->" in text:
        report.changed(item.key, f"The arrow in {text!r} is written as →, because -> separates the sides of a pair.")
        text = text.replace("->", "→")
    return _answer(text)


def _escaped(text: str) -> str:
    return _SPECIAL.sub(lambda found: "\\" + found.group(), text).replace("\n", "\\n")


# --- reading ----------------------------------------------------------------------------------------


def read(data: bytes, report: Report) -> list[PortableItem]:
    """The questions that are items here; the others are refused line by line. Raises Unreadable for a wrong encoding."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise Unreadable(f"Line {line} is not UTF-8. Save the file with the encoding UTF-8.") from None
    if "\x00" in text:
        raise Unreadable("The file holds null characters. Save it as text with the encoding UTF-8.")
    found = []
    for line, comments, question in _questions(text.replace("\r\n", "\n").replace("\r", "\n")):
        try:
            found.append(_read_one(question, comments, f"line {line}", report))
        except ValueError as error:
            report.refused(f"line {line}", str(error))
    return found


def _questions(text: str) -> Iterator[tuple[int, str, str]]:
    """(first line, comments, text) of each question; questions are separated by blank lines."""
    lines: list[str] = []
    comments: list[str] = []
    first = 1
    for number, line in enumerate([*text.split("\n"), ""], 1):
        if line.lstrip().startswith("//"):
            comments.append(line)
            continue
        if line.strip():
            first = number if not lines else first
            lines.append(line)
            continue
        if lines and not lines[0].startswith("$CATEGORY"):
            yield first, "\n".join(comments), "\n".join(lines)
        if lines:
            comments = []
        lines = []


class _Texts:
    """The texts of one question: escapes, which hide characters from their special meaning, and the format of its words."""

    def __init__(self, where: str, report: Report) -> None:
        self._kept: list[str] = []
        self._where, self._report = where, report
        self._format = ""

    def hide(self, text: str) -> str:
        """The text with placeholders for escaped characters, so that what is left has its special meaning."""

        def keep(found: re.Match[str]) -> str:
            self._kept.append("\n" if found.group(1) == "n" else found.group(1))
            return f"{_PLACEHOLDER}{len(self._kept) - 1};"

        return re.sub(r"\\([\\~=#{}:n])", keep, text.replace(_PLACEHOLDER, ""))

    def stem(self, text: str) -> str:
        """The words of the question; its format holds for the answers that name none themselves."""
        found = _FORMAT.match(text.strip())
        self._format = found.group(1) if found else ""
        return self.show(text)

    def show(self, text: str) -> str:
        """The words of a text, as Markdown."""
        text = text.strip()
        found = _FORMAT.match(text)
        form = found.group(1) if found else self._format
        text = text[found.end() :] if found else text
        text = re.sub(rf"{_PLACEHOLDER}(\d+);", lambda found: self._kept[int(found.group(1))], text).strip()
        is_html = (form == "html" and re.search("[<&]", text)) or (form in {"", "moodle"} and _MARKUP.search(text))
        return text_of_html(text, self._where, self._report) if is_html else text


def _read_one(question: str, comments: str, where: str, report: Report) -> PortableItem:
    texts = _Texts(where, report)
    text = texts.hide(question).strip()
    name = ""
    if text.startswith("::") and "::" in text[2:]:
        name, _, text = text[2:].partition("::")
    before, opened, rest = text.strip().partition("{")
    body, closed, after = rest.partition("}")
    if not opened or not closed:
        raise ValueError("The question has no answers in braces { }.")
    stem, stimulus = parted_stem(texts.stem(before + ("_____" if after.strip() else "") + after))
    kind, options = _read_body(body.strip("\n") if body.startswith(">") else body.strip(), texts)
    if kind in {"matching", "ordering"}:
        options = with_general_rationale(options, texts.show(body.partition("####")[2]), where, report)
    meta = dict(tag.split("=", 1) for tag in _TAG.findall(comments) if "=" in tag)
    found_id = _ID.findall(comments)
    key = found_id[-1] if found_id else texts.show(name)
    return PortableItem(key, kind, stem, options, stimulus, {n: v for n, v in meta.items() if n in CARRIES}, where)


def _read_body(body: str, texts: _Texts) -> tuple[str, tuple[PortableOption, ...]]:
    body, _, _ = body.partition("####")
    if body.startswith(">"):
        steps = [texts.show(line) for line in body.split("\n")[1:] if line.strip()]
        return "ordering", tuple(PortableOption(step, True) for step in steps)
    if "~" in body:
        return _read_choices(body, texts)
    if "=" in body and "->" in body:
        return "matching", _read_pairs(body, texts)
    what = "an essay" if not body else "numerical" if body.startswith("#") else "true/false or a short answer"
    raise ValueError(f"The question is {what}; choices, matching and ordering can be imported.")


def _read_choices(body: str, texts: _Texts) -> tuple[str, tuple[PortableOption, ...]]:
    options = []
    for marked in (part for part in re.split(r"(?=[~=])", body) if part.strip()):
        weight = 100.0 if marked[0] == "=" else 0.0
        text = marked[1:].strip()
        if found := _WEIGHT.match(text):
            weight, text = float(found.group(1)), text[found.end() :]
        answer, _, feedback = text.partition("#")
        options.append(PortableOption(texts.show(answer), weight > 0, texts.show(feedback)))
    keys = sum(option.is_key for option in options)
    if not keys:
        raise ValueError("No answer is marked as right (with = or a positive weight).")
    return ("single" if "=" in body and keys == 1 else "multiple"), tuple(options)


def _read_pairs(body: str, texts: _Texts) -> tuple[PortableOption, ...]:
    pairs = []
    for marked in (part for part in body.split("=") if part.strip()):
        prompt, arrow, match = marked.partition("->")
        if not arrow:
            raise ValueError(f"The pair {texts.show(marked)!r} has no arrow ->.")
        prompt = texts.show(prompt)
        pairs.append(PortableOption(texts.show(match), bool(prompt), prompt=prompt))
    return tuple(pairs)
