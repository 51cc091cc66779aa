"""What /healthz says of each process, from what the process left behind."""

import json
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from django.test import Client

from config import health
from config.health import NotReady, Readiness, _check_heartbeat


@pytest.fixture
def probes(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Callable[[], None]]]:
    """The table of probes, to be filled by the test."""
    table: dict[str, Callable[[], None]] = {}
    monkeypatch.setattr(health, "PROBES", table)
    monkeypatch.setattr(health, "_running", {})
    return table


def refuse() -> None:
    raise NotReady("is asleep")


def test_all_ready_is_200(probes: dict[str, Callable[[], None]]) -> None:
    probes["redis"] = lambda: None
    answer = Client().get("/healthz")
    assert answer.status_code == 200
    assert json.loads(answer.content) == {"status": "ready", "processes": {"web": {"ready": True}, "redis": {"ready": True}}}


def test_one_that_is_not_ready_is_named_with_its_reason(probes: dict[str, Callable[[], None]]) -> None:
    probes |= {"redis": lambda: None, "mlflow": refuse}
    answer = Client().get("/healthz")
    assert answer.status_code == 503
    assert json.loads(answer.content)["message"] == "Not ready: mlflow."
    assert json.loads(answer.content)["processes"]["mlflow"] == {"ready": False, "detail": "is asleep"}


def test_a_hanging_process_is_not_waited_for_and_costs_one_thread(probes: dict[str, Callable[[], None]]) -> None:
    release, asked = threading.Event(), []

    def hang() -> None:
        asked.append(1)
        release.wait(30)

    probes["mlflow"] = hang
    try:
        assert [health.health(), health.health()] == [{"mlflow": Readiness(False, "has not answered within 1 s")}] * 2
    finally:
        release.set()
    assert asked == [1]


@pytest.mark.parametrize(("age_s", "reason"), [(1, None), (6, r"has not reported for \d+ s")])
def test_a_heartbeat_counts_for_five_seconds(age_s: float, reason: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SITE_STARTED_AT_S", raising=False)
    value = f"{time.time() - age_s}".encode()
    if reason is None:
        _check_heartbeat(value)
    else:
        with pytest.raises(NotReady, match=reason):
            _check_heartbeat(value)


def test_a_heartbeat_from_before_this_start_is_a_dead_processs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SITE_STARTED_AT_S", str(time.time()))
    with pytest.raises(NotReady, match="has not reported yet"):
        _check_heartbeat(f"{time.time() - 1}".encode())


def test_only_get_and_head_are_answered() -> None:
    assert Client().post("/healthz").status_code == 405
