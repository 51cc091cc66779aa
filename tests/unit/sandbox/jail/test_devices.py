"""The jail of a process on a CUDA device, as far as a machine without one can show: its files, its rules, nothing by default."""

import os
import stat
from pathlib import Path

import pytest

from sandbox.jail import seccomp
from sandbox.jail.devices import NONE, cuda_files
from sandbox.jail.syscalls import GUARDED
from tests.unit.sandbox.jail.test_enter import in_new_process

ALLOWED, REFUSED, NOT_WRITABLE = 0x7FFF0000, 0x00050001, 0x0005000D
RM_CONTROL, RM_ALLOC_ON_OTHER_TYPE, UVM_CREATE, UVM_INITIALIZE, STUFF_TERMINAL, HARD_DISK = (
    0xC020462A, 0xC020472A, 73, 0x30000001, 0x5412, 0x1260,
)  # fmt: skip


def run(name: str, *arguments: int, has_device: bool) -> int:
    """What the filter says of a call, run as the kernel does."""
    number = GUARDED[name][0]
    words = {0: number, 4: 0xC000003E} | {16 + 8 * i: value & 0xFFFFFFFF for i, value in enumerate(arguments)}
    program, at, accumulator = seccomp.filter_program("x86_64", has_device=has_device), 0, 0
    while True:
        code, if_true, if_false, value = program[at]
        at += 1
        if code == 0x06:
            return value
        if code == 0x20:
            accumulator = words.get(value, 0) or 0
        elif code == 0x54:
            accumulator &= value
        else:
            holds = {0x15: accumulator == value, 0x35: accumulator >= value, 0x45: bool(accumulator & value)}[code]
            at += if_true if holds else if_false


@pytest.mark.parametrize("command", [RM_CONTROL, UVM_CREATE, UVM_INITIALIZE])
def test_the_drivers_commands_are_for_processes_with_a_device(command: int) -> None:
    assert run("ioctl", 3, command, has_device=True) == ALLOWED
    assert run("ioctl", 3, command, has_device=False) == REFUSED


@pytest.mark.parametrize("command", [RM_ALLOC_ON_OTHER_TYPE, STUFF_TERMINAL, HARD_DISK, 0x100, 0x30000003, 0xFFFFFFFF])
def test_other_commands_are_refused_with_a_device_too(command: int) -> None:
    assert run("ioctl", 3, command, has_device=True) == REFUSED


def test_the_usual_commands_stay() -> None:
    for command in (0x5401, 0x541B, 0x5451):
        assert run("ioctl", 1, command, has_device=True) == run("ioctl", 1, command, has_device=False) == ALLOWED


def test_a_device_is_opened_for_writing_and_no_file_is_made() -> None:
    assert run("openat", 0, 0, os.O_RDWR, has_device=True) == ALLOWED
    assert run("openat", 0, 0, os.O_RDWR, has_device=False) == NOT_WRITABLE
    for flags in (os.O_RDWR | os.O_CREAT, os.O_WRONLY | os.O_TRUNC):
        assert run("openat", 0, 0, flags, has_device=True) == NOT_WRITABLE


def test_one_device_has_its_own_node_and_the_drivers(tmp_path: Path) -> None:
    (tmp_path / "dev").mkdir()
    (tmp_path / "proc/driver/nvidia").mkdir(parents=True)
    for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm", "sda"):
        (tmp_path / "dev" / name).touch()
    found = cuda_files("cuda:1", tmp_path)
    assert found.nodes == ("/dev/nvidia1", "/dev/nvidiactl", "/dev/nvidia-uvm")
    assert found.readable == ("/proc/driver/nvidia",)
    assert cuda_files("cpu", tmp_path) == NONE


@pytest.mark.parametrize("name", ["cuda", "cuda:", "cuda:../sda", "cuda:-1", "cuda:1000", "/dev/sda", ""])
def test_a_name_is_no_path(name: str) -> None:
    with pytest.raises(ValueError, match="neither cpu nor cuda"):
        cuda_files(name)


def test_only_the_given_nodes_can_be_opened_for_writing() -> None:
    """With a device that every machine has in the place of NVIDIA's."""
    assert stat.S_ISCHR(os.stat("/dev/full").st_mode)
    said = in_new_process(
        """
        import resource
        from sandbox.jail.devices import DeviceFiles
        enter_jail(limits, keep_fds=(1, 2), devices=DeviceFiles(("/dev/full",)))
        for path in ("/dev/full", "/dev/zero", "/dev/tty", "/etc/hostname", "/tmp/new"):
            try:
                os.close(os.open(path, os.O_RDWR))
                say(path + " ")
            except OSError:
                pass
        say(resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY)
        """
    )
    assert said == "/dev/full True"
