"""The clock of a workspace."""

from datetime import UTC, datetime, timedelta

import pytest

from sandbox.errors import InvalidParameterValue
from sandbox.workspaces import clock
from sandbox.workspaces.models import Workspace

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def test_it_runs_as_fast_as_its_factor_says() -> None:
    workspace = Workspace(clock_factor=60.0, clock_set_at=NOON, clock_set_to=NOON)
    assert clock.at(workspace, NOON + timedelta(seconds=30)) == NOON + timedelta(minutes=30)


def test_moments_before_it_was_set_count_one_for_one() -> None:
    workspace = Workspace(clock_factor=60.0, clock_set_at=NOON, clock_set_to=NOON)
    assert clock.at(workspace, NOON - timedelta(seconds=30)) == NOON - timedelta(seconds=30)


@pytest.mark.django_db
def test_changing_the_factor_does_not_make_it_jump() -> None:
    workspace = Workspace.objects.create(name="w", clock_factor=1000.0)
    before = clock.now(workspace)
    clock.set_factor(workspace, 2.0)
    after = clock.now(workspace)
    assert timedelta(0) <= after - before < timedelta(minutes=20)
    workspace.refresh_from_db()
    assert workspace.clock_factor == 2.0


@pytest.mark.parametrize("factor", [0.0, -1.0, 1e9, float("nan")])
def test_it_refuses_a_senseless_factor(factor: float) -> None:
    with pytest.raises(InvalidParameterValue, match="must be above 0"):
        clock.set_factor(Workspace(), factor)


def test_milliseconds() -> None:
    assert clock.epoch_ms(datetime(1970, 1, 1, 0, 0, 1, 500_000, tzinfo=UTC)) == 1500
