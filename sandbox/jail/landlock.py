"""Landlock: the process may read beneath the named paths and touch no other file."""

import ctypes
import os
import struct
from collections.abc import Iterable

from sandbox.jail.errors import JailRefused

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same numbers on every machine
_VERSION_QUERY = 1
_RULE_PATH_BENEATH = 1

GUARDS_TRUNCATION = 3
"""The ABI version from which on Landlock sees a file that is truncated as it is opened."""

_EXECUTE = 1 << 0
_WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 1, 1 << 2, 1 << 3
_REMOVE_DIR, _REMOVE_FILE, _MAKE_DIR, _MAKE_REG = 1 << 4, 1 << 5, 1 << 7, 1 << 8
_ALL_OF_VERSION_1 = (1 << 13) - 1
_REFER, _TRUNCATE, _IOCTL_DEVICE = 1 << 13, 1 << 14, 1 << 15  # since versions 2, 3 and 5
_WRITING = _READ_FILE | _READ_DIR | _WRITE_FILE | _TRUNCATE | _REFER | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_REG
_BIND_AND_CONNECT_TCP = 3  # since version 4
_ABSTRACT_SOCKETS_AND_SIGNALS = 3  # since version 6


def landlock_version(libc: ctypes.CDLL) -> int:
    """The ABI version that the kernel offers; 0 when it offers none."""
    return max(0, int(libc.syscall(_CREATE_RULESET, None, 0, _VERSION_QUERY)))


def restrict_files(
    libc: ctypes.CDLL,
    readable: Iterable[str],
    writable: Iterable[str] = (),
    programs: Iterable[str] = (),
    devices: Iterable[str] = (),
) -> int:
    """Confine the calling thread to reading beneath `readable` (missing paths are skipped), writing beneath `writable`,
    running `programs`, and using the device nodes `devices`.

    Handles every right that the kernel knows, so that all else is refused. Needs no_new_privs.
    Returns the ABI version. Raises JailRefused.
    """
    version = landlock_version(libc)
    if version < 1:
        raise JailRefused(
            "This kernel does not offer Landlock. Use Linux 5.13 or later with Landlock switched on (lsm=…,landlock), "
            "and a container profile that lets a process use it."
        )
    ruleset = _create_ruleset(libc, version)
    try:
        for path in readable:
            _allow(libc, ruleset, path, _READ_FILE | _READ_DIR)
        for path in writable:  # regular files and folders; no links, devices, sockets, and nothing to be run
            _allow(libc, ruleset, path, _WRITING)
        for path in programs:
            _allow(libc, ruleset, path, _READ_FILE | _EXECUTE)
        for path in devices:
            _allow(libc, ruleset, path, _READ_FILE | _WRITE_FILE | (_IOCTL_DEVICE if version >= 5 else 0))
        if libc.syscall(_RESTRICT_SELF, ruleset, 0) != 0:
            raise _refused("landlock_restrict_self")
    finally:
        os.close(ruleset)
    return version


def _create_ruleset(libc: ctypes.CDLL, version: int) -> int:
    files = _ALL_OF_VERSION_1
    files |= _REFER if version >= 2 else 0
    files |= _TRUNCATE if version >= 3 else 0
    files |= _IOCTL_DEVICE if version >= 5 else 0
    fields = [files]
    if version >= 4:
        fields.append(_BIND_AND_CONNECT_TCP)
    if version >= 6:
        fields.append(_ABSTRACT_SOCKETS_AND_SIGNALS)
    attributes = struct.pack(f"{len(fields)}Q", *fields)
    memory = ctypes.create_string_buffer(attributes, len(attributes))
    ruleset = int(libc.syscall(_CREATE_RULESET, memory, len(attributes), 0))
    if ruleset < 0:
        raise _refused("landlock_create_ruleset")
    return ruleset


def _allow(libc: ctypes.CDLL, ruleset: int, path: str, wanted: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:  # absent on this machine, or out of reach: then it stays out of reach
        return
    try:
        rights = wanted if os.path.isdir(path) else wanted & (_READ_FILE | _WRITE_FILE | _EXECUTE | _IOCTL_DEVICE)
        rule = struct.pack("=Qi", rights, descriptor)
        memory = ctypes.create_string_buffer(rule, len(rule))
        if libc.syscall(_ADD_RULE, ruleset, _RULE_PATH_BENEATH, memory, 0) != 0:
            raise _refused(f"landlock_add_rule {path}")
    finally:
        os.close(descriptor)


def _refused(what: str) -> JailRefused:
    return JailRefused(f"{what}: {os.strerror(ctypes.get_errno())}. The process cannot be confined.")
