"""The items that somebody else than their author checked: what independent_check.yaml says fits the banks as they are."""

from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from quizzes.bank_files import read_banks, read_mapping
from quizzes.item_specs import ItemSpec

CHECK = read_mapping(Path(__file__).with_name("independent_check.yaml"))
DRAWN: dict[str, Any] = CHECK["items"]


@pytest.fixture(scope="module")
def items() -> dict[str, ItemSpec]:
    return {item.key: item for bank in read_banks(settings.FIXTURES_DIR / "banks") for item in bank.items}


def test_items_were_drawn() -> None:
    assert len(DRAWN) == 54


@pytest.mark.parametrize("key", DRAWN)
def test_the_checker_came_to_the_key(items: dict[str, ItemSpec], key: str) -> None:
    assert DRAWN[key]["answered"] == [option.text for option in items[key].options if option.is_key]


@pytest.mark.parametrize("key", DRAWN)
def test_evidence_is_written_for_the_key_and_for_every_distractor(items: dict[str, ItemSpec], key: str) -> None:
    shown_by: dict[str, list[int]] = DRAWN[key]["evidence"]
    assert list(shown_by) == [option.text for option in items[key].options]
    assert [text for text, sentences in shown_by.items() if not sentences] == []
    assert {n for sentences in shown_by.values() for n in sentences} == set(range(1, len(items[key].evidence) + 1))
