"""Reading banks: what is wrong is named with its place."""

from pathlib import Path

import pytest

from quizzes.bank_files import BankFileError, read_bank
from tests.unit.quizzes.items import make_item

GOOD = """
bank: demo
title: Demo
declaration: Own wording.
items:
  - key: one
    objective: split-traffic
    bloom: apply
    stem: |
      A shop has two
      versions. Which fits?
    source: {url: "https://example.org", dated: 2026-06-18, product_version: "1"}
    checked_on: 2026-11-22
    expires_on: 2027-05-01
    options:
      - {text: First, rationale: Because., misconception: one, key: true}
      - {text: Second, rationale: Because., misconception: two}
"""


def test_it_reads_a_bank(tmp_path: Path) -> None:
    path = tmp_path / "demo.yaml"
    path.write_text(GOOD)
    bank = read_bank(path)
    (item,) = bank.items
    assert (bank.slug, item.key, item.stem, item.key_position) == ("demo", "one", "A shop has two versions. Which fits?", 0)
    assert item.options[1].proof is None


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("bank: demo", "", "demo.yaml: bank is required"),
        ("    bloom: apply\n", "", "item 1 (one): bloom is required"),
        ("dated: 2026-06-18", "dated: June", "dated is required and must be a date, not 'June'"),
        ("misconception: two}", "}", "option 2: misconception is required"),
        ("items:", "items: [1]\nother:", "item 1 must be a mapping"),
        ("bank: demo", "bank: [", "is not valid YAML"),
        ("    bloom: apply\n", "    bloom: apply\n    bloom: evaluate\n", "the key 'bloom' stands here twice"),
    ],
)
def test_it_names_what_is_missing(tmp_path: Path, old: str, new: str, words: str) -> None:
    path = tmp_path / "demo.yaml"
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(BankFileError) as caught:
        read_bank(path)
    assert words in str(caught.value)


def test_any_visible_change_changes_the_content_hash() -> None:
    item = make_item()
    assert item.content_sha256 == make_item().content_sha256
    assert item.content_sha256 != make_item(stem="A shop has two versions. Which setting suits?").content_sha256
    assert item.content_sha256 != make_item(options=item.options[::-1]).content_sha256
