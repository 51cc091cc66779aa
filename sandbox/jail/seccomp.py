"""The system call filter: an allow-list, so that a call nobody thought of is refused.

There is no socket, no new process, no signal to another process, no writable file and no way to change anything of the
kernel. Threads are allowed, because numeric libraries start them.
"""

import ctypes
import errno
import os
import platform
import struct

from sandbox.jail.errors import JailRefused
from sandbox.jail.syscalls import EXECUTING, GUARDED, MACHINES, NEWEST_KNOWN, PLAIN, WITH_SCRATCH

_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32_BIT = 0x40000000

# classic BPF, linux/bpf_common.h and linux/seccomp.h
_LOAD, _JUMP_EQUAL, _JUMP_GREATER_EQUAL, _JUMP_ANY_BIT, _RETURN, _AND = 0x20, 0x15, 0x35, 0x45, 0x06, 0x54
_ALLOW, _KILL_PROCESS = 0x7FFF0000, 0x80000000
_AT_NUMBER, _AT_ARCH, _AT_ARGUMENTS = 0, 4, 16

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 38, 22, 2

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_CLONE_THREAD = 0x00010000
_CLONE_NEW = 0x7E020000
"""Every CLONE_NEW* flag that fits into clone()'s flags."""
_FCNTL_COMMANDS = (0, 1, 2, 3, 4, 1030, 1032)
"""F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC, F_GETPIPE_SZ. F_SETOWN would send signals."""
_IOCTL_COMMANDS = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)
"""TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FIONCLEX, FIOCLEX. TIOCSTI would type into a terminal."""
_PRCTL_OPTIONS = (3, 15, 16, 0x53564D41)
"""PR_GET_DUMPABLE, PR_SET_NAME, PR_GET_NAME, PR_SET_VMA. PR_SET_PDEATHSIG would outlive the parent."""
_NVIDIA_TYPE = ord("F")
"""Type of the driver's ioctl commands (nv-ioctl-numbers.h: NV_IOCTL_MAGIC)."""
_UVM_COMMANDS = (0x30000001, 0x30000002)
"""UVM_INITIALIZE and UVM_DEINITIALIZE (uvm_linux_ioctl.h). Its other commands are plain numbers below _UVM_END."""
_UVM_END = 0x100

Instruction = tuple[int, int, int, int]


def _refuse(code: int) -> Instruction:
    return (_RETURN, 0, 0, 0x00050000 | code)


def _argument(index: int) -> Instruction:
    """Load the low half of an argument; the kernel reads no more of the ones that are compared here."""
    return (_LOAD, 0, 0, _AT_ARGUMENTS + 8 * index)


def _one_of(index: int, values: tuple[int, ...]) -> list[Instruction]:
    """Allow the call when the argument is one of the values."""
    compare = [(_JUMP_EQUAL, len(values) - i, 0, value) for i, value in enumerate(values)]
    return [_argument(index), *compare, _refuse(errno.EPERM), (_RETURN, 0, 0, _ALLOW)]


def _without(index: int, bits: int, code: int) -> list[Instruction]:
    """Allow the call when the argument has none of the bits."""
    return [_argument(index), (_JUMP_ANY_BIT, 0, 1, bits), _refuse(code), (_RETURN, 0, 0, _ALLOW)]


def _device_commands() -> list[Instruction]:
    """Allow the usual commands and those of NVIDIA's driver; on which files it is Landlock that decides (from version 5 on)."""
    allow = (_RETURN, 0, 0, _ALLOW)
    named: list[Instruction] = []
    for command in (*_IOCTL_COMMANDS, *_UVM_COMMANDS):
        named += [(_JUMP_EQUAL, 0, 1, command), allow]
    return [
        _argument(1),
        *named,
        (_JUMP_GREATER_EQUAL, 1, 0, _UVM_END),
        allow,
        (_AND, 0, 0, 0xFF00),
        (_JUMP_EQUAL, 0, 1, _NVIDIA_TYPE << 8),
        allow,
        _refuse(errno.EPERM),
    ]


def _guards(*, may_write: bool, has_device: bool) -> dict[str, list[Instruction]]:
    """What decides about each guarded call; every list ends in a verdict."""
    # with a scratch folder or a device it is Landlock that tells which files may be opened for writing
    writing = 0 if may_write else (os.O_CREAT | os.O_TRUNC) if has_device else _WRITING
    return {
        "open": _without(1, writing, errno.EACCES),
        "openat": _without(2, writing, errno.EACCES),
        # their flags lie in memory, which a filter cannot read; the C library falls back to the older call
        "openat2": [_refuse(errno.ENOSYS)],
        "clone3": [_refuse(errno.ENOSYS)],
        "clone": [
            _argument(0),
            (_JUMP_ANY_BIT, 1, 0, _CLONE_NEW),
            (_JUMP_ANY_BIT, 1, 0, _CLONE_THREAD),
            _refuse(errno.EPERM),
            (_RETURN, 0, 0, _ALLOW),
        ],
        "fcntl": _one_of(1, _FCNTL_COMMANDS),
        "ioctl": _device_commands() if has_device else _one_of(1, _IOCTL_COMMANDS),
        "prctl": _one_of(0, _PRCTL_OPTIONS),
        "prlimit64": _one_of(0, (0,)),
        # abort() signals its own process
        "tgkill": _one_of(0, (os.getpid(),)),
    }


def filter_program(
    machine: str, *, may_write: bool = False, may_execute: bool = False, has_device: bool = False
) -> list[Instruction]:
    """The filter for the calling process (it knows its own process number).

    `may_write`: it has a scratch folder. `may_execute`: it becomes another program, and Landlock says which. `has_device`: it
    computes on a CUDA device, and Landlock says on which.

    Raises JailRefused for a machine whose system call numbers are not known.
    """
    if machine not in MACHINES:
        raise JailRefused(
            f"The system call filter knows {' and '.join(MACHINES)}; this machine is {machine}. "
            "Run the site on one of those, or extend sandbox/jail/syscalls.py."
        )
    column = MACHINES.index(machine)
    program: list[Instruction] = [
        (_LOAD, 0, 0, _AT_ARCH),
        (_JUMP_EQUAL, 1, 0, _AUDIT_ARCH[machine]),
        (_RETURN, 0, 0, _KILL_PROCESS),
        (_LOAD, 0, 0, _AT_NUMBER),
    ]
    if machine == "x86_64":
        program += [(_JUMP_GREATER_EQUAL, 0, 1, _X32_BIT), (_RETURN, 0, 0, _KILL_PROCESS)]
    with_scratch = WITH_SCRATCH.values() if may_write else ()
    for numbers in (*PLAIN.values(), *with_scratch, *(EXECUTING.values() if may_execute else ())):
        if (number := numbers[column]) is not None:
            program += [(_JUMP_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ALLOW)]
    for name, verdict in _guards(may_write=may_write, has_device=has_device).items():
        if (number := GUARDED[name][column]) is not None:
            program += [(_JUMP_EQUAL, 0, len(verdict), number), *verdict]
    return [*program, (_JUMP_GREATER_EQUAL, 0, 1, NEWEST_KNOWN), _refuse(errno.ENOSYS), _refuse(errno.EPERM)]


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p)]


def filter_system_calls(
    libc: ctypes.CDLL, *, may_write: bool = False, may_execute: bool = False, has_device: bool = False
) -> None:
    """Put the calling thread under the filter, for good. Needs no_new_privs. Raises JailRefused."""
    instructions = filter_program(platform.machine(), may_write=may_write, may_execute=may_execute, has_device=has_device)
    packed = b"".join(struct.pack("HBBI", *instruction) for instruction in instructions)
    memory = ctypes.create_string_buffer(packed, len(packed))
    program = _Program(len(instructions), ctypes.cast(memory, ctypes.c_void_p))
    if libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0) != 0:
        raise JailRefused(
            f"This kernel does not filter system calls (seccomp: {os.strerror(ctypes.get_errno())}). "
            "Use a Linux kernel with CONFIG_SECCOMP_FILTER, and a container profile that lets a process install a filter."
        )
