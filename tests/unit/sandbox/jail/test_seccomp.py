"""The system call filter: numbers as the kernel's headers have them, and every jump lands where it should."""

import errno
import os
import re
from pathlib import Path

import pytest

from sandbox.jail.errors import JailRefused
from sandbox.jail.seccomp import filter_program
from sandbox.jail.syscalls import GUARDED, PLAIN, WITH_SCRATCH

HEADERS = (Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"), Path("/usr/include/asm-generic/unistd.h"))
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
ALLOWED, REFUSED, KILLED, NO_SUCH_CALL = 0x7FFF0000, 0x00050000 | errno.EPERM, 0x80000000, 0x00050000 | errno.ENOSYS
NOT_WRITABLE = 0x00050000 | errno.EACCES


def verdict(
    number: int, *arguments: int, machine: str = "x86_64", architecture: int | None = None, may_write: bool = False
) -> int:
    """Run the filter as the kernel does."""
    words = {0: number, 4: ARCHITECTURES[machine] if architecture is None else architecture}
    words |= {16 + 8 * index: value & 0xFFFFFFFF for index, value in enumerate(arguments)}
    program, at, accumulator = filter_program(machine, may_write=may_write), 0, 0
    while True:
        code, if_true, if_false, value = program[at]
        at += 1
        if code == 0x06:
            return value
        if code == 0x20:
            accumulator = words.get(value, 0)
            continue
        holds = {0x15: accumulator == value, 0x35: accumulator >= value, 0x45: bool(accumulator & value)}[code]
        at += if_true if holds else if_false


def number_of(name: str, machine: str = "x86_64") -> int:
    number = (PLAIN | GUARDED)[name][list(ARCHITECTURES).index(machine)]
    assert number is not None
    return number


@pytest.mark.parametrize("column", [0, 1])
def test_the_numbers_are_those_of_the_kernel(column: int) -> None:
    if not HEADERS[column].exists():
        pytest.skip("the kernel's headers are not installed")
    found = re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", HEADERS[column].read_text())
    known = {("newfstatat" if name == "fstatat" else name): int(number) for name, number in found}
    table = PLAIN | WITH_SCRATCH | GUARDED
    wrong = {name: numbers[column] for name, numbers in table.items() if known.get(name) != numbers[column]}
    assert wrong == {}


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_files_are_changed_only_with_a_scratch_folder(machine: str) -> None:
    column = list(ARCHITECTURES).index(machine)
    numbers = [number for numbers in WITH_SCRATCH.values() if (number := numbers[column]) is not None]
    assert {verdict(number, machine=machine) for number in numbers} == {REFUSED}
    assert {verdict(number, machine=machine, may_write=True) for number in numbers} == {ALLOWED}


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_every_plain_call_is_allowed(machine: str) -> None:
    column = list(ARCHITECTURES).index(machine)
    numbers = [numbers[column] for numbers in PLAIN.values()]
    assert {verdict(number, machine=machine) for number in numbers if number is not None} == {ALLOWED}


@pytest.mark.parametrize(
    ("name", "number"), [("socket", 41), ("ptrace", 101), ("execve", 59), ("fork", 57), ("mount", 165), ("kill", 62)]
)
def test_a_call_that_is_not_listed_is_refused(name: str, number: int) -> None:
    assert verdict(number) == REFUSED, name


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_files_open_for_reading_only(machine: str) -> None:
    number = number_of("openat", machine)
    assert verdict(number, 0, 0, os.O_RDONLY | os.O_CLOEXEC, machine=machine) == ALLOWED
    for flags in (os.O_WRONLY, os.O_RDWR, os.O_RDONLY | os.O_TRUNC, os.O_RDONLY | os.O_CREAT):
        assert verdict(number, 0, 0, flags, machine=machine) == NOT_WRITABLE


def test_threads_are_allowed_and_processes_are_not() -> None:
    thread = 0x3D0F00  # what pthread_create passes
    assert verdict(number_of("clone"), thread) == ALLOWED
    assert verdict(number_of("clone"), 17) == REFUSED
    assert verdict(number_of("clone"), thread | 0x10000000) == REFUSED  # CLONE_NEWUSER
    assert verdict(number_of("clone3")) == NO_SUCH_CALL


def test_only_the_process_itself_can_be_signalled() -> None:
    assert verdict(number_of("tgkill"), os.getpid()) == ALLOWED
    assert verdict(number_of("tgkill"), os.getppid()) == REFUSED


@pytest.mark.parametrize(
    ("name", "arguments", "wanted"),
    [
        ("fcntl", (0, 3), ALLOWED),
        ("fcntl", (0, 8), REFUSED),  # F_SETOWN
        ("ioctl", (0, 0x5401), ALLOWED),
        ("ioctl", (0, 0x5412), REFUSED),  # TIOCSTI
        ("prctl", (15,), ALLOWED),
        ("prctl", (1,), REFUSED),  # PR_SET_PDEATHSIG
        ("prlimit64", (0,), ALLOWED),
        ("prlimit64", (1,), REFUSED),
    ],
)
def test_arguments_decide(name: str, arguments: tuple[int, ...], wanted: int) -> None:
    assert verdict(number_of(name), *arguments) == wanted


def test_a_call_of_the_future_does_not_exist() -> None:
    assert verdict(900) == NO_SUCH_CALL


def test_another_architecture_is_killed() -> None:
    assert verdict(0, architecture=0x40000003) == KILLED  # i386
    assert verdict(0x40000000) == KILLED  # x32


def test_an_unknown_machine_is_refused_with_a_reason() -> None:
    with pytest.raises(JailRefused, match="this machine is riscv64"):
        filter_program("riscv64")
