"""Models that cannot become ONNX: packed, compared with what is installed, tried, and stored."""

import os
import socket
import struct
import tempfile
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline

from sandbox.builds import pyfunc_build, pyfunc_package, store
from sandbox.builds.operations import BuildFailed, build_model, expect
from sandbox.builds.pyfunc_package import MAGIC, PackageError, pack, unpack
from sandbox.builds.pyfunc_requirements import compare
from sandbox.jail.errors import ParentGone
from sandbox.jail.forked import warm_up
from sandbox.jail.launch import JailedJob
from sandbox.jail.limits import MIB
from sandbox.replicas.pyfunc_service import PyfuncService
from tests.pyfunc_models import save
from tests.stack import wait_for


def with_first_line(folder: Path, line: str) -> Path:
    """The model with a line before its code."""
    code = next(folder.glob("*.py"))
    code.write_text(f"{line}\n{code.read_text()}")
    return folder


class Doubler(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn is not typed here
    """A transformer of the learner's own, which skl2onnx does not know."""

    def fit(self, table: Any, target: Any = None) -> "Doubler":
        return self

    def transform(self, table: Any) -> Any:
        return np.asarray(table) * 2


def test_an_order_without_descriptors_does_the_imports(warm: PyfuncService, run_dir: Path) -> None:
    assert warm._zygote is not None
    process = Path(f"/proc/{warm._zygote.pid}/statm")
    warm_up([run_dir / "pyfunc-tests.sock"])
    wait_for(lambda: int(process.read_text().split()[1]) * 4096 > 100 * MIB, 60, "MLflow was not imported")


def test_it_works(tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": [40.0, 50.0]})
    folder = save("poisoned", tmp_path / "model", input_example=frame)
    built = build_model(folder, into=tmp_path / "store")
    assert built.runtime == "pyfunc"
    assert "no ONNX form" in built.log
    assert "All 1 requirements are installed as declared." in built.log
    unpacked = tmp_path / "unpacked"
    unpacked.mkdir()
    unpack(built.path, unpacked)
    assert {path.name: path.read_bytes() for path in unpacked.iterdir()} == {
        path.name: path.read_bytes() for path in folder.iterdir()
    }
    assert store.is_intact(built.path, built.sha256)


def test_an_estimator_of_ones_own_is_served_as_it_is(tmp_path: Path, log_model: Any) -> None:
    import cloudpickle

    frame = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": [0.0, 1.0, 0.0]})
    model = make_pipeline(Doubler(), LinearRegression()).fit(frame, frame.a + frame.b)
    module = __import__(Doubler.__module__, fromlist=["Doubler"])
    cloudpickle.register_pickle_by_value(module)
    try:
        folder = log_model(model, frame, pip_requirements=["scikit-learn"])
    finally:
        cloudpickle.unregister_pickle_by_value(module)
    built = build_model(folder, into=tmp_path / "store")
    assert built.runtime == "pyfunc"
    assert "Doubler" in built.log
    assert "Answered its input example" in built.log
    assert built.signature["flavors"] == ["python_function", "sklearn"]


@pytest.mark.parametrize(
    ("requirements", "sentence"),
    [
        ("mlflow\nno-such-package-of-ours==1.2\n", "No module named 'no-such-package-of-ours==1.2'"),
        ("mlflow\n", "No module named 'no_such_module'"),
    ],
)
def test_what_is_missing_is_named(tmp_path: Path, requirements: str, sentence: str) -> None:
    folder = save("poisoned", tmp_path / "model")
    (folder / "requirements.txt").write_text(requirements)
    if "no_such_module" in sentence:
        with_first_line(folder, "import no_such_module")
    with pytest.raises(BuildFailed) as caught:
        build_model(folder, into=tmp_path / "store")
    assert caught.value.message.startswith(f"An error occurred while loading the model. {sentence}")
    assert sentence in caught.value.log


def test_a_model_that_needs_its_environment_is_left_to_its_replica(tmp_path: Path) -> None:
    folder = with_first_line(save("poisoned", tmp_path / "model"), "import os; os.environ['API_KEY']")
    built = build_model(folder, into=tmp_path / "store")
    assert "Warning: loading the model failed" in built.log
    assert "API_KEY" in built.log


def test_a_model_that_hangs_while_it_loads_ends_the_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pyfunc_build, "TRIAL_LIMITS", replace(pyfunc_build.TRIAL_LIMITS, wall_s=1.0))
    folder = with_first_line(save("poisoned", tmp_path / "model"), "import time; time.sleep(600)")
    with pytest.raises(BuildFailed, match="It took longer than 1 s"):
        build_model(folder, into=tmp_path / "store")


# --- the process that the trial is forked from ---------------------------------------------------

SAYS_PARENT = "import os; print(f'parent {os.getppid()} sees {sorted(os.environ)}')"


def children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def test_it_is_the_nodes_warm_process_and_the_build_log_tells_the_same(warm: PyfuncService, tmp_path: Path) -> None:
    folder = with_first_line(save("poisoned", tmp_path / "model"), SAYS_PARENT)
    built = build_model(folder, into=tmp_path / "store")
    assert warm._zygote is not None
    assert f"Printed while it was tried: parent {warm._zygote.pid} sees" in built.log
    assert "DATA_DIR" not in built.log
    assert not children(warm._zygote.pid)


def test_a_trial_whose_parent_dies_starts_anew_in_a_process_of_its_own(warm: PyfuncService, tmp_path: Path) -> None:
    zygote = warm._zygote
    assert zygote is not None
    hangs = f"import os, time; time.sleep(600 if os.getppid() == {zygote.pid} else 0)"
    folder = with_first_line(with_first_line(save("poisoned", tmp_path / "model"), SAYS_PARENT), hangs)

    def kill() -> None:
        wait_for(lambda: children(zygote.pid), 60, "no trial was forked")
        zygote.kill()

    killer = threading.Thread(target=kill)
    killer.start()
    built = build_model(folder, into=tmp_path / "store")
    killer.join()
    assert f"Printed while it was tried: parent {os.getpid()} sees" in built.log


def test_who_registers_such_a_model_has_the_nodes_import_mlflow(data_dir: Path, settings: Any) -> None:
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as node:
        settings.RUN_DIR = Path(folder)
        node.bind(f"{folder}/pyfunc-node-1.sock")
        node.setblocking(False)
        expect("sklearn")
        expect("python_function")
        content, descriptors, _, _ = socket.recv_fds(node, 100, 4)
        assert (content, descriptors) == (b"{}", [])
        with pytest.raises(BlockingIOError):
            node.recv(100)
    expect("python_function")  # nobody is there


def test_nobody_listens_where_a_node_was_killed(run_dir: Path) -> None:
    service = PyfuncService.open(run_dir / "left-over.sock")
    service.close()
    with pytest.raises(ParentGone):
        JailedJob("sandbox.builds.pyfunc_trial", limits=pyfunc_build.TRIAL_LIMITS, parent=run_dir / "left-over.sock")


# --- requirements --------------------------------------------------------------------------------


def compared(tmp_path: Path, **files: str) -> Any:
    for name, content in files.items():
        (tmp_path / name.replace("_txt", ".txt").replace("_yaml", ".yaml")).write_text(content)
    return compare(tmp_path)


def test_other_versions_are_warnings(tmp_path: Path) -> None:
    found = compared(tmp_path, requirements_txt="numpy==1.0.0  # old\npandas>=1\n\n-r more.txt\n")
    [line] = found.lines
    assert line == f"Warning: the model was logged with numpy==1.0.0; installed here is numpy=={np.__version__}."
    assert found.missing == []


def test_another_python_is_a_warning(tmp_path: Path) -> None:
    found = compared(tmp_path, requirements_txt="numpy\n", python_env_yaml="python: 3.8.1\n")
    assert any("logged with Python 3.8.1" in line for line in found.lines)


def test_conda_yaml_counts_where_there_is_no_requirements_file(tmp_path: Path) -> None:
    conda = "dependencies:\n- python=3.11\n- pip:\n  - numpy\n  - not-there-at-all\n"
    assert compared(tmp_path, conda_yaml=conda).missing == ["not-there-at-all"]


@pytest.mark.parametrize("content", ["a: [", "- - -", "dependencies: 3", "dependencies: [{pip: 5}]"])
def test_files_of_unforeseen_shape_do_no_harm(tmp_path: Path, content: str) -> None:
    assert compared(tmp_path, conda_yaml=content, python_env_yaml=content).missing == []


def test_requirements_for_other_machines_are_left_out(tmp_path: Path) -> None:
    assert compared(tmp_path, requirements_txt='pywin32; sys_platform == "win32"\n').missing == []


# --- the package ---------------------------------------------------------------------------------


def test_links_do_not_travel(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "MLmodel").write_text("x")
    (folder / "passwords").symlink_to("/etc/passwd")
    (folder / "everything").symlink_to("/")
    os.mkfifo(folder / "pipe")
    target = tmp_path / "out"
    target.mkdir()
    _, path = store.put_pieces(tmp_path / "store", pack(folder))
    unpack(path, target)
    assert [each.name for each in target.rglob("*")] == ["MLmodel"]


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "a/../../evil", "a//b", "./a", "", "a/./b", "x" * 2000, "a\0b"])
def test_a_package_does_not_write_elsewhere(tmp_path: Path, name: str) -> None:
    import json

    header = json.dumps([[name, 1]]).encode()
    package = tmp_path / "package"
    package.write_bytes(MAGIC + struct.pack("!I", len(header)) + header + b"x")
    target = tmp_path / "deep" / "target"
    target.mkdir(parents=True)
    with pytest.raises(PackageError):
        unpack(package, target)
    assert list(tmp_path.rglob("*evil*")) == []


def test_a_folder_that_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pyfunc_package, "LARGEST_BYTES", 1 << 20)
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "large").write_bytes(b"x" * ((1 << 20) + 1))
    with pytest.raises(PackageError, match="larger than 1 MiB together"):
        list(pack(folder))
    monkeypatch.setattr(pyfunc_package, "MOST_FILES", 0)
    with pytest.raises(PackageError, match=r"more than 0 files|larger"):
        list(pack(folder))


def test_a_package_that_was_cut_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "MLmodel").write_text("some text")
    content = b"".join(pack(folder))
    package, target = tmp_path / "package", tmp_path / "target"
    package.write_bytes(content[:-1])
    target.mkdir()
    with pytest.raises(PackageError, match="cut short"):
        unpack(package, target)
