"""Changing one item's lines: every other line of every bank stays as it is."""

import pytest
from django.conf import settings
from hypothesis import given
from hypothesis import strategies as st

from quizzes.bank_edit import appended, block_of, blocks, replaced
from quizzes.bank_files import BankFileError, bank_paths, parse_bank

PATHS = bank_paths(settings.FIXTURES_DIR / "banks")
TEXT = """bank: demo
items:
  # a comment above
  - key: one
    stem: |
      A

      B
  - key: two
    stem: C

  - key: three
    stem: D
exam: x
"""


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_every_item_of_every_bank_can_be_taken_out_and_put_back(path) -> None:  # type: ignore[no-untyped-def]
    text = path.read_text()
    found = blocks(text, path.name)
    assert [block.key for block in found] == [item.key for item in parse_bank(text, path.name).items]
    assert all(replaced(text, block, block.text) == text for block in found)


def test_a_block_has_no_indentation_of_the_list() -> None:
    assert block_of(TEXT, "one", "demo").text == "key: one\nstem: |\n  A\n\n  B\n"


def test_only_the_lines_of_the_item_change() -> None:
    changed = replaced(TEXT, block_of(TEXT, "two", "demo"), "key: two\nstem: |\n  New\n\n  lines\n\n")
    assert changed == TEXT.replace("    stem: C\n", "    stem: |\n      New\n\n      lines\n")


def test_a_new_item_stands_behind_the_last_one() -> None:
    assert appended(TEXT, "key: four\nstem: E\n", "demo") == TEXT.replace("stem: D\n", "stem: D\n\n  - key: four\n    stem: E\n")


def test_another_text_has_another_digest() -> None:
    assert len({block.digest for block in blocks(TEXT, "demo")}) == 3


@pytest.mark.parametrize("text", ["items: {}", "items: [1, 2]", "- 1", "items: [", "other: 1"])
def test_what_is_no_list_of_items_is_refused(text: str) -> None:
    with pytest.raises(BankFileError):
        blocks(text, "demo.yaml")


@given(st.text(alphabet="ab: -|#&*'\"\n {}[]", max_size=60))
def test_no_draft_reaches_the_lines_of_others(draft: str) -> None:
    """Whatever is typed, the lines before and behind it are the same."""
    changed = replaced(TEXT, block_of(TEXT, "two", "demo"), draft)
    before, after = TEXT.split("  - key: two\n    stem: C\n")
    assert changed.startswith(before)
    assert changed.endswith(after)
