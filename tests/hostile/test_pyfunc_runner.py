"""A model that is served as it is gets nowhere: the attack battery as its `predict`, and a search of all its memory."""

import json
import os
import secrets
import time
from collections.abc import Iterator
from typing import Any

import pytest

from sandbox.builds import store
from sandbox.builds.pyfunc_package import pack
from sandbox.jail.limits import GIB
from sandbox.jail.self_test import bait
from sandbox.replicas.pyfunc_runner import PyfuncRunner
from sandbox.replicas.pyfunc_service import PyfuncService
from tests.pyfunc_models import save


@pytest.fixture(scope="module")
def planted() -> Iterator[str]:
    """A secret in the environment and the memory of the process that starts everything, as a replica has the address of Redis."""
    secret = secrets.token_hex(16)
    os.environ["PLANTED_SECRET"] = secret
    yield secret
    del os.environ["PLANTED_SECRET"]


@pytest.fixture(scope="module")
def service(planted: str) -> Iterator[PyfuncService]:
    opened = PyfuncService.open()
    opened.keep_zygote()
    yield opened
    opened.close()


def predictions(
    service: PyfuncService, tmp_path: Any, model: str, record: dict[str, Any], environment: dict[str, str] | None = None
) -> Any:
    """What a model from code answers in a runner as replicas have them."""
    sha256, path = store.put_pieces(tmp_path / "store", pack(save(model, tmp_path / model)))
    folder, scratch = service.folders.put(path, sha256), service.folders.scratch
    runner, output = PyfuncRunner.start(service.orders, str(folder), str(scratch), environment or {}, 2 * GIB)
    try:
        runner.wait_loaded()
        body = json.dumps({"dataframe_split": {"columns": list(record), "data": [list(record.values())]}}).encode()
        status, answer = runner.answer("application/json", body, time.monotonic() + 60)
    finally:
        runner.kill()
        os.close(output)
    assert status == 200, answer
    return json.loads(answer)["predictions"]


def test_every_attack_is_blocked(service: PyfuncService, tmp_path: Any) -> None:
    with bait() as laid_out:
        assert predictions(service, tmp_path, "attacker", {"bait": json.dumps(laid_out)}) == {}
    assert list(service.folders.scratch.iterdir()) == []


def test_its_memory_holds_nothing_of_the_process_that_asked_for_it(service: PyfuncService, tmp_path: Any, planted: str) -> None:
    halves = {"first": planted[:16], "second": planted[16:]}
    assert predictions(service, tmp_path, "memory_reader", halves) == [0]


def test_the_search_of_its_memory_has_teeth(service: PyfuncService, tmp_path: Any) -> None:
    own = secrets.token_hex(16)
    halves = {"first": own[:16], "second": own[16:]}
    [found] = predictions(service, tmp_path, "memory_reader", halves, {"OWN": own})
    assert found > 0


def test_it_cannot_read_another_models_folder(service: PyfuncService, tmp_path: Any) -> None:
    sha256, path = store.put_pieces(tmp_path / "store", pack(save("poisoned", tmp_path / "other")))
    other = service.folders.put(path, sha256)
    with bait() as laid_out:
        aimed = {**laid_out, "public_file": str(other / "MLmodel"), "folder": str(other)}
        aimed["attacks"] = ["read a public file of the site", "list the site's folder", "write over a public file"]
        assert predictions(service, tmp_path, "attacker", {"bait": json.dumps(aimed)}) == {}
