"""Items as plain data, for tests of the linter; what a test cares about it overrides."""

from dataclasses import replace
from datetime import date
from typing import Any

from quizzes.item_specs import BankSpec, Catalogue, ItemSpec, OptionSpec, Source

TODAY = date(2026, 11, 22)
EXAM = {"slug": "ml-associate", "blueprints": [{"dated": date(2025, 3, 1), "lines": [{"objective": "split-traffic"}]}]}
CATALOGUE = Catalogue(
    exams=(EXAM,),
    objectives=({"slug": "split-traffic"}, {"slug": "deploy"}),
    misconceptions={"one": "One.", "two": "Two.", "three": "Three."},
)


def make_option(text: str, *, is_key: bool = False, misconception: str = "one", **more: Any) -> OptionSpec:
    fields = {"rationale": f"Because of {text}.", "proof": None, **more}
    return OptionSpec(text=text, is_key=is_key, misconception=misconception, **fields)


def make_options(key_at: int = 0) -> tuple[OptionSpec, ...]:
    words = ["The first route", "The second route", "The third route!", "The fourth route"]
    tags = ["one", "two", "three", "one"]
    return tuple(
        make_option(word, is_key=place == key_at, misconception="one" if place == key_at else tag)
        for place, (word, tag) in enumerate(zip(words, tags, strict=True))
    )


def make_item(**more: Any) -> ItemSpec:
    item = ItemSpec(
        key="split",
        objective="split-traffic",
        bloom="apply",
        stem="A shop has two versions. Which setting fits?",
        source=Source("https://docs.databricks.com/aws/en/machine-learning/", date(2026, 6, 18), "databricks-sdk 0.156.0"),
        checked_on=TODAY,
        expires_on=date(2027, 5, 1),
        options=make_options(),
        exam="ml-associate",
        difficulty="medium",
        no_proof="Nothing can be run.",
    )
    return replace(item, **more)


def make_bank(*items: ItemSpec, **more: Any) -> BankSpec:
    bank = BankSpec(slug="bank", title="Bank", description="", declaration="Own wording.", items=items)
    return replace(bank, **more)
