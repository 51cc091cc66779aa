"""Trouble of ours is `error`, never `fail`; and the lab file holds together."""

from typing import NoReturn

import pytest
import yaml
from django.conf import settings

from quizzes.labs.files import LabFileError, read_specification
from quizzes.labs.outcomes import LabState
from quizzes.labs.runs import judge
from quizzes.labs.specification import CheckSpec
from tests.unit.quizzes.lab_states import solved

CHECKS = (CheckSpec("endpoint_ready", "Ready", 50), CheckSpec("two_versions", "Two", 50))


def unreachable() -> NoReturn:
    raise ConnectionRefusedError("the registry is away")


def test_a_state_that_cannot_be_read_is_an_error_for_each_check() -> None:
    outcomes = [outcome for _, outcome in judge(CHECKS, unreachable)]
    assert [outcome.verdict for outcome in outcomes] == ["error", "error"]
    assert all("not your fault" in outcome.got for outcome in outcomes)


def test_a_check_that_goes_wrong_is_an_error_and_the_others_are_judged() -> None:
    broken = CheckSpec("no_such_check", "Broken", 50)
    outcomes = [outcome.verdict for _, outcome in judge((broken, CHECKS[0]), solved)]
    assert outcomes == ["error", "pass"]


def test_a_state_is_read_once_for_all_checks() -> None:
    reads: list[int] = []

    def read() -> LabState:
        reads.append(1)
        return solved()

    judge(CHECKS, read)
    assert len(reads) == 1


LAB = settings.FIXTURES_DIR / "labs" / "champion_challenger.yaml"


def test_the_lab_file_has_four_weighted_checks() -> None:
    spec = read_specification(yaml.safe_load(LAB.read_text()), LAB.name)
    assert [check.name for check in spec.checks] == ["endpoint_ready", "two_versions", "split_80_20", "traffic_observed"]
    assert sum(check.weight for check in spec.checks) == 100


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"setup": "format_disk"}, "there is no setup 'format_disk'"),
        ({"checks": [{"name": "endpoint_ready", "title": "T", "weight": 90}]}, "add up to 90"),
        ({"surprise": 1}, "missing or unknown"),
    ],
)
def test_a_broken_lab_file_is_refused(change: dict[str, object], words: str) -> None:
    raw = {**yaml.safe_load(LAB.read_text()), **change}
    with pytest.raises(LabFileError) as caught:
        read_specification(raw, "lab.yaml")
    assert words in str(caught.value)
