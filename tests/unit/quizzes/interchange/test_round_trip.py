"""What goes out in a format comes back the same, over generated items; what the format cannot carry stands in the report."""

import random

import pytest

from quizzes.interchange.formats import FORMATS
from quizzes.interchange.portable import META, PortableItem, PortableOption
from quizzes.interchange.report import Report, exportable
from quizzes.item_specs import Stimulus

WRITTEN = ["gift", "moodle_xml", "qti_2_2", "qti_3_0", "csv"]
AWKWARD = [
    *(
        "~",
        "=",
        "#",
        "{",
        "}",
        ":",
        "\\",
        "\\n",
        "->",
        "::",
        "//",
        "####",
        "%50%",
        "[html]",
        "`a`",
        "``",
        "<b>",
        "&amp;",
        "]]>",
        '"',
        "'",
    ),
    *(",", ";", "=1+1", "@x", "\n", "\n\n", "\t", "  ", "é", "漢", "🙂", "{{name}}", "$CATEGORY: x", "> a", "%", "!", "-"),
    *("word", "two words", "0", "12"),
]


def a_text(draw: random.Random) -> str:
    """One to six pieces, among them everything that means something in one of the formats."""
    while not (text := "".join(draw.choices(AWKWARD, k=draw.randint(1, 6))).strip()):
        pass
    return text


def a_line(draw: random.Random) -> str:
    return " ".join(a_text(draw).split())


def an_item(draw: random.Random, number: int) -> PortableItem:
    """An item of any kind that can be carried."""
    kind, count = draw.choice(["single", "multiple", "ordering", "matching"]), draw.randint(3, 5)
    texts = [f"{a_text(draw)} {place}" for place in range(count)]
    prompts = [f"{a_text(draw)} {place}" for place in range(count)] if kind == "matching" else [""] * count
    if kind == "matching" and draw.random() < 0.5:
        prompts[-1] = ""
    keys = set(draw.sample(range(count), 1 if kind == "single" else 2))
    is_key = [kind == "ordering" or (bool(prompts[p]) if kind == "matching" else p in keys) for p in range(count)]
    options = tuple(
        PortableOption(text, right, a_text(draw), prompt, "split-is-a-fraction")
        for text, right, prompt in zip(texts, is_key, prompts, strict=True)
    )
    caption = draw.choice(["", f"Answer {a_line(draw)}"])
    stimulus = Stimulus(draw.choice(["json", "python", "sql", "http", "text"]), caption, a_text(draw))
    meta = {
        "objective": "split-traffic",
        "bloom": "apply",
        "source_url": "https://docs.databricks.com/aws/en/x",
        "language": "en",
    }
    meta["product_version"] = a_line(draw)
    return PortableItem(f"item-{number}", kind, a_text(draw), options, draw.choice([None, stimulus]), meta)


def as_carried(item: PortableItem, slug: str) -> PortableItem:
    """The item as the format's own documentation lets us expect it back."""
    form = FORMATS[slug]
    keeps_rationale = item.kind not in {"matching", "ordering"} if slug == "gift" else True
    keeps_rationale = keeps_rationale and (item.kind != "matching" or "matching_rationale" in form.carries)
    options = tuple(
        PortableOption(
            _arrow(option.text, item, slug),
            option.is_key,
            option.rationale if keeps_rationale else "",
            _arrow(option.prompt, item, slug),
            option.misconception if "misconception" in form.carries else "",
        )
        for option in item.options
    )
    meta = {name: value for name, value in item.meta.items() if name in form.carries}
    return PortableItem(item.key, item.kind, item.stem, options, item.stimulus, meta)


def _arrow(text: str, item: PortableItem, slug: str) -> str:
    """GIFT cannot write -> within a pair; the report says so."""
    return text.replace("->", "→") if slug == "gift" and item.kind == "matching" else text


@pytest.mark.parametrize("slug", WRITTEN)
def test_what_goes_out_comes_back(slug: str) -> None:
    """1,000 generated items in each of the five formats."""
    draw = random.Random(f"{slug} 2026-11-22")
    bank = [an_item(draw, number) for number in range(1_000)]
    form, report = FORMATS[slug], Report()
    assert form.read is not None
    assert form.write is not None
    kept = exportable(bank, form.carries, form.kinds, report)
    assert kept == bank
    refusals = Report()
    back = form.read(form.write(kept, report), refusals)
    assert refusals.lines == []
    wrong = [(item, as_carried(sent, slug)) for item, sent in zip(back, bank, strict=True) if item != as_carried(sent, slug)]
    assert wrong[:1] == []


@pytest.mark.parametrize("slug", WRITTEN)
def test_everything_that_is_lost_stands_in_the_report(slug: str) -> None:
    form, report = FORMATS[slug], Report()
    options = tuple(PortableOption(text, text == "a", "why", misconception="split-is-a-fraction") for text in "abc")
    meta = dict.fromkeys(META, "x")
    kept = exportable([PortableItem("k", "single", "Which?", options, None, meta)], form.carries, form.kinds, report)
    named = report.lines[0].message.removeprefix("Not carried: ").removesuffix(".").split(", ")
    assert set(named) == {*META, "misconception", "proof", "evidence"} - form.carries
    assert [item.key for item in kept] == ["k"]


def test_a_computed_item_is_refused_by_name() -> None:
    report = Report()
    form = FORMATS["csv"]
    assert exportable([PortableItem("computed-1", "computed", "?", ())], form.carries, form.kinds, report) == []
    assert [(line.level, line.where) for line in report.lines] == [("refused", "computed-1")]
