"""Each thing that keeps a site from starting is one sentence that says what to do."""

import os
import shutil
import socket
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest

from config import preflight

Usage = namedtuple("Usage", "total used free")


def test_a_new_data_dir_is_private(tmp_path: Path) -> None:
    preflight.check_data_dir(tmp_path / "var")
    assert (tmp_path / "var").stat().st_mode & 0o777 == 0o700
    assert list((tmp_path / "var").iterdir()) == []


def test_a_data_dir_under_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit, match=r"cannot be written to: Not a directory\. Set DATA_DIR to"):
        preflight.check_data_dir(tmp_path / "file" / "var")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, the device that is always full")
def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """/dev/full refuses every write with the error of a full disk."""
    monkeypatch.setattr(Path, "write_bytes", lambda self, data: os.write(os.open("/dev/full", os.O_WRONLY), data))
    with pytest.raises(SystemExit, match=r"No space left on device\. Make room on that disk"):
        preflight.check_data_dir(tmp_path)


def test_a_nearly_full_disk_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**12, 10**12, 123 * 1024**2))
    with pytest.raises(SystemExit, match="has 123 MB left and 500 MB are needed"):
        preflight.check_data_dir(tmp_path)


def test_a_taken_port_is_named_with_a_way_out() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SystemExit, match=rf"Port {port} is taken by another program.*PORT={port + 1} make run"):
            preflight.check_port("127.0.0.1", port)
    preflight.check_port("127.0.0.1", port)


@pytest.mark.parametrize(("host", "port", "sentence"), [
    ("127.0.0.1", 70_000, "PORT must be between 1 and 65535, not 70000"),
    ("no-such-host.invalid", 8000, "HOST 'no-such-host.invalid' is not an address of this machine"),
])  # fmt: skip
def test_an_impossible_address_is_refused(host: str, port: int, sentence: str) -> None:
    with pytest.raises(SystemExit, match=sentence):
        preflight.check_port(host, port)


def test_a_second_instance_is_kept_out_and_the_lock_of_a_killed_one_is_free(tmp_path: Path) -> None:
    program = (
        "import sys, time; sys.path[:0] = ['.', 'platform']; from pathlib import Path; from config import preflight;"
        f"preflight.lock_data_dir(Path({str(tmp_path)!r})); print('locked', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "locked\n"
            with pytest.raises(SystemExit, match=rf"Another instance \(process {holder.pid}\) uses DATA_DIR"):
                preflight.lock_data_dir(tmp_path)
        finally:
            holder.kill()
    assert (tmp_path / "lock").read_text() == f"{holder.pid}\n"
    preflight.lock_data_dir(tmp_path)


def test_sockets_of_a_killed_run_are_removed_and_other_files_stay(tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    run_dir.mkdir(mode=0o755)
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(run_dir / "redis.sock"))
    (run_dir / "supervisor.pid").write_text("1")
    (run_dir / "notes.txt").write_text("mine")
    preflight.prepare_run_dir(run_dir)
    assert [entry.name for entry in run_dir.iterdir()] == ["notes.txt"]
    assert run_dir.stat().st_mode & 0o777 == 0o700


def test_a_run_dir_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "run").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SystemExit, match="belongs to somebody else"):
        preflight.prepare_run_dir(tmp_path / "run")


def test_a_silent_redis_is_named_without_its_password() -> None:
    with pytest.raises(SystemExit) as refusal:
        preflight.check_redis("redis://:secret@127.0.0.1:1/0")
    assert "redis://127.0.0.1:1/0" in str(refusal.value)
    assert "secret" not in str(refusal.value)
