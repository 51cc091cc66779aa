"""`make run`, its second half: start, stop, restart and refuse, each on a whole site of its own."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.stack import ROOT, Stack, wait_for

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]
PROCESSES = ["redis", "mlflow", "provider-simulator", "control", "node", "web"]


@pytest.fixture
def site() -> Iterator[Stack]:
    """A site that is not started yet; whatever the test leaves of it is stopped."""
    site = Stack()
    yield site
    site.stop()
    assert site.running_processes() == {}
    shutil.rmtree(site.data_dir)


def refusal(site: Stack) -> str:
    """What `manage.py up` says when it ends by itself."""
    up = site.launch()
    assert up.wait(120) == 1
    return site.output()


def assert_nothing_is_left(
    site: Stack,
) -> None:
    wait_for(lambda: not site.running_processes(), 30, "processes were left", lambda: str(site.running_processes()))


def test_it_starts_stops_and_starts_again_whatever_ended_it(stack: Stack, site: Stack) -> None:
    """One data directory all along, for the first start of each costs as much as many tests."""
    site.start()
    passwords = (site.data_dir / "first_sign_ins.txt").read_text().split()
    wait_for(lambda: "is ready: http" in site.output(), 60, "the address was not printed", site.output)
    assert all(word in site.output() for word in passwords)
    assert len(site.running_processes()) > len(PROCESSES)
    assert_side_by_side(stack, site)
    assert site.stop(signal.SIGINT) == 0
    assert_nothing_is_left(site)
    assert "Traceback" not in site.output()

    site.start()
    wait_for(lambda: site.output().count("is ready: http") == 2, 60, "the address was not printed", site.output)
    assert site.output().count(passwords[1]) == 1  # a password is printed on the first start only
    site.kill_supervisor()
    assert_nothing_is_left(site)
    assert (site.data_dir / "run" / "redis.sock").exists()  # a leftover, as is the lock file
    assert (site.data_dir / "lock").exists()

    site.start()
    assert site.health().json()["status"] == "ready"
    assert site.stop(signal.SIGTERM) == 0
    assert_nothing_is_left(site)


def assert_side_by_side(one: Stack, other: Stack) -> None:
    """Both answer, each its own people."""
    assert other.health().status_code == one.health().status_code == 200
    assert other.password("learner") != one.password("learner")
    bearer = {"Authorization": f"Bearer {other.token('learner')}"}
    path = "/api/2.0/serving-endpoints"
    assert httpx.get(other.url + path, headers=bearer).status_code == 200
    assert httpx.get(one.url + path, headers=bearer).status_code == 401


def test_ctrl_c_while_it_starts_leaves_nothing(site: Stack) -> None:
    for moment in ("1/3", "3/3"):
        site.launch()
        wait_for(lambda moment=moment: moment in site.output(), 120, f"step {moment} was not reached", site.output)
        assert site.stop(signal.SIGINT) == 0
        assert_nothing_is_left(site)
        assert "Traceback" not in site.output()
        (site.data_dir / "up.log").unlink()


def test_a_process_that_dies_is_restarted(stack: Stack) -> None:
    for process in PROCESSES:
        old = stack.kill(process)
        assert stack.wait_restarted(process, old) != old
        stack.wait_ready()


def test_while_web_restarts_callers_wait_and_are_not_refused(stack: Stack) -> None:
    stack.kill("web")
    for _ in range(20):
        assert httpx.get(f"{stack.url}/healthz", timeout=120).status_code in {200, 503}


@pytest.mark.parametrize("process", ["mlflow", "provider-simulator", "control", "node", "redis"])
def test_healthz_names_the_process_that_does_not_answer(stack: Stack, process: str) -> None:
    pid = stack.kill(process, signal.SIGSTOP)
    try:
        answer = wait_for(lambda: named(stack, process), 90, "it was not noticed", stack.log_tails)
        assert answer["processes"]["web"]["ready"] is True
    finally:
        os.kill(pid, signal.SIGCONT)
    stack.wait_ready()


def named(stack: Stack, process: str) -> Any:
    """What /healthz says once the process is the one that is not ready; of Redis others are not ready without it."""
    answer = stack.health()
    body = answer.json()
    unready = {name for name, each in body["processes"].items() if not each["ready"]}
    is_it = process in unready if process == "redis" else unready == {process}
    if not is_it or answer.status_code != 503:
        return None
    assert all(name in body["message"] for name in unready)
    return body


def test_a_taken_port_is_one_sentence(site: Stack) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", site.port))
        taken.listen()
        said = refusal(site)
    assert said.splitlines()[-1] == (
        f"Port {site.port} is taken by another program. Stop that program, or choose another port: PORT={site.port + 1} make run"
    )
    assert "Traceback" not in said


def test_an_unwritable_data_dir_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    site = Stack(tmp_path / "logs", DATA_DIR=str(tmp_path / "file" / "var"))
    said = refusal(site)
    assert len(said.splitlines()) == 1
    assert "Set DATA_DIR to a directory that you may write to" in said


@pytest.mark.parametrize(("name", "value", "sentence"), [
    ("PORT", "eight", "PORT must be a whole number, not 'eight'."),
    ("REDIS_URL", "redis://127.0.0.1:1/0", "The Redis of REDIS_URL (redis://127.0.0.1:1/0) does not answer"),
    ("DATABASE_URL", "postgres://me:hush@127.0.0.1:1/none", "The database postgres://127.0.0.1:1/none does not open"),
])  # fmt: skip
def test_a_wrong_setting_is_one_sentence(site: Stack, name: str, value: str, sentence: str) -> None:
    site._environment[name] = value
    said = refusal(site)
    assert sentence in said
    assert "Traceback" not in said
    assert "hush" not in said


def test_a_second_instance_on_the_same_data_is_refused(stack: Stack) -> None:
    second = Stack(stack.data_dir)
    second._output = stack.data_dir / "second.log"
    said = refusal(second)
    assert "Another instance (process" in said
    assert "DATA_DIR=var2 PORT=8001 make run" in said
    assert stack.health().status_code == 200


def test_each_process_can_be_started_alone(stack: Stack, site: Stack) -> None:
    """A second web process, on its own, beside the running site: this is how the site spreads over machines."""
    environment = {**stack.environment(), "PORT": str(site.port)}
    command = [sys.executable, str(ROOT / "manage.py"), "web"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as web:
        try:
            wait_for(lambda: _answers(site.url), 120, "the second web process did not answer")
            assert httpx.get(f"{site.url}/healthz", timeout=60).json()["processes"]["redis"] == {"ready": True}
        finally:
            web.terminate()
    assert web.returncode == -signal.SIGTERM  # uvicorn finishes its requests, then lets the signal have its way


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", timeout=60).status_code in {200, 503}
    except httpx.TransportError:
        return False
