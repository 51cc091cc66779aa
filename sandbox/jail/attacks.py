"""The attack battery: a job that tries to get out and reports what it reached.

Each found escape adds a line here before it is mended. An attack that raises was blocked; one that returns has got through.
The bait (files, sockets, the parent's number) is laid out by `sandbox.jail.self_test`.
"""

import ctypes
import fcntl
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import NoReturn

from sandbox.jail import attacks_on_files as files
from sandbox.jail.attacks_on_files import Bait

PRELOAD: tuple[str, ...] = ()

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def run(payload: bytes) -> bytes:
    """Payload: the bait as JSON. Result: JSON of what got through, {attack: what it reached}."""
    bait = json.loads(payload)
    wanted = bait.get("attacks") or list(ATTACKS)
    outcomes = {name: _attempt(ATTACKS[name], bait) for name in wanted}
    return json.dumps({name: reached for name, reached in outcomes.items() if reached is not None}).encode()


def _attempt(attack: Callable[[Bait], object], bait: Bait) -> str | None:
    try:
        return str(attack(bait))[:100]
    except (Exception, SystemExit):
        return None


def _call(number: int, *arguments: object) -> int:
    """A system call by number; raises as Python's own wrappers do."""
    result = int(_libc.syscall(number, *arguments))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def _checked(result: int) -> int:
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def _environment(bait: Bait) -> str:
    """The site's secrets stand in the environment of the process that starts jobs."""
    if bait["secret"] in str(dict(os.environ)):
        return "in os.environ"
    with open("/proc/self/environ", "rb") as file:
        if bait["secret"].encode() in file.read():
            return "in /proc/self/environ"
    raise LookupError


def _parent_limits(bait: Bait) -> str:
    resource.prlimit(bait["parent"], resource.RLIMIT_NOFILE, resource.prlimit(bait["parent"], resource.RLIMIT_NOFILE))
    return "set"


def _raise_limit(bait: Bait) -> str:
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    return "raised"


def _signal_by_pipe(bait: Bait) -> str:
    """The kernel signals the owner of a pipe with any signal one names."""
    reading, _ = os.pipe()
    fcntl.fcntl(reading, fcntl.F_SETOWN, bait["parent"])
    return "owner set"


def _outlive_parent(bait: Bait) -> int:
    return _checked(_libc.prctl(1, 0, 0, 0, 0))


def _trace_parent(bait: Bait) -> int:
    return _checked(_libc.ptrace(0x4206, bait["parent"], 0, 0))


def _read_parent_memory(bait: Bait) -> str:
    buffer = ctypes.create_string_buffer(16)
    local = (ctypes.c_uint64 * 2)(ctypes.addressof(buffer), 16)
    remote = (ctypes.c_uint64 * 2)(bait["parent_address"], 16)
    got = _libc.process_vm_readv(bait["parent"], local, 1, remote, 1, 0)
    return f"{_positive(int(got))} bytes"


def _positive(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def _fork(bait: Bait) -> str:
    number = os.fork()
    if number == 0:
        os._exit(0)
    os.waitpid(number, 0)
    return "forked"


def _run_program(bait: Bait) -> str:
    return f"status {subprocess.run(['/bin/sh', '-c', 'true'], check=True).returncode}"


def _become_program(bait: Bait) -> NoReturn:
    """Success shows as a job that ends without a result."""
    os.execv(sys.executable, [sys.executable, "-c", "pass"])  # noqa: S606 - the attack itself


def _shell(bait: Bait) -> str:
    if os.system("true") != 0:  # noqa: S605 - the attack itself
        raise OSError
    return "ran"


def _user_namespace(bait: Bait) -> int:
    return _checked(_libc.unshare(0x10000000))


def _mount(bait: Bait) -> int:
    return _checked(_libc.mount(b"none", b"/", b"tmpfs", 0, None))


def _change_root(bait: Bait) -> str:
    os.chroot(bait["folder"])
    return "changed"


def _become_root(bait: Bait) -> str:
    if os.geteuid() == 0 and not _effective_capabilities():
        raise PermissionError  # root by number only, which the other lines show to be worth nothing
    os.setuid(0)
    return "root"


def _effective_capabilities() -> int:
    with open("/proc/self/status") as file:
        line = next(line for line in file if line.startswith("CapEff:"))
    return int(line.split()[1], 16)


def _capabilities(bait: Bait) -> str:
    if not (held := _effective_capabilities()):
        raise PermissionError
    return hex(held)


def _gain_by_exec(bait: Bait) -> str:
    with open("/proc/self/status") as file:
        line = next(line for line in file if line.startswith("NoNewPrivs:"))
    if line.split()[1] == "1":
        raise PermissionError
    return "no_new_privs is off"


def _internet(kind: socket.SocketKind, port: str) -> Callable[[Bait], str]:
    def attack(bait: Bait) -> str:
        with socket.socket(socket.AF_INET, kind) as client:
            client.settimeout(2)
            client.connect(("127.0.0.1", bait[port]))
            client.send(b"x")
        return "sent"

    return attack


def _unix(address: str) -> Callable[[Bait], str]:
    def attack(bait: Bait) -> str:
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(bait[address].replace("@", "\0", 1))
        return "connected"

    return attack


def _socket_pair(bait: Bait) -> str:
    first, second = socket.socketpair()
    first.close()
    second.close()
    return "made"


def _thread_of_its_own(bait: Bait) -> str:
    """A process made by clone without CLONE_THREAD, as fork in the C library does it."""
    number = _call(56 if os.uname().machine == "x86_64" else 220, signal.SIGCHLD, 0, 0, 0, 0)
    if number == 0:
        os._exit(0)
    return "cloned"


def _memory(bait: Bait) -> str:
    block = bytearray(int(bait["memory_bytes"]))
    return f"{len(block)} bytes"


def _shared_memory(bait: Bait) -> str:
    """Shared memory of System V would outlive the process and reach others."""
    number = _positive(int(_libc.shmget(0, 4096, 0o1666)))
    _libc.shmctl(number, 0, None)
    return f"segment {number}"


def _descriptor(bait: Bait) -> str:
    return f"{len(os.pread(bait['descriptor'], 10, 0))} bytes"


def _set_clock(bait: Bait) -> str:
    time.clock_settime(time.CLOCK_REALTIME, time.time())
    return "set"


def _too_many_tasks(bait: Bait) -> str:
    """With its limit set to nothing a process may start no thread; the kernel does not ask that of root."""
    before = resource.getrlimit(resource.RLIMIT_NPROC)
    resource.setrlimit(resource.RLIMIT_NPROC, (0, before[1]))
    try:
        thread = threading.Thread(target=lambda: None)
        thread.start()
        thread.join()
    finally:
        resource.setrlimit(resource.RLIMIT_NPROC, before)
    return "started"


ATTACKS: dict[str, Callable[[Bait], object]] = {
    "read a private file of the site": lambda bait: files.read(bait["private_file"]),
    "read a public file of the site": lambda bait: files.read(bait["public_file"]),
    "read /etc/passwd": lambda bait: files.read("/etc/passwd"),
    "read by a path from the working directory": files.relative,
    "read through /proc/self/root": lambda bait: files.read("/proc/self/root" + "/etc/passwd"),
    "list the root folder": lambda bait: os.listdir("/"),
    "list the site's folder": lambda bait: os.listdir(bait["folder"]),
    "read the environment": _environment,
    "read an inherited descriptor": _descriptor,
    "read the parent's environment": lambda bait: files.read(f"/proc/{bait['parent']}/environ"),
    "read the parent's memory": _read_parent_memory,
    "trace the parent": _trace_parent,
    "signal the parent": lambda bait: os.kill(bait["parent"], 0),
    "signal everybody": lambda bait: os.kill(-1, 0),
    "signal through a pipe's owner": _signal_by_pipe,
    "change the parent's limits": _parent_limits,
    "raise its own limits": _raise_limit,
    "outlive the parent": _outlive_parent,
    "write into the site's folder": lambda bait: files.write(bait["folder"] + "/planted"),
    "write into /tmp": lambda bait: files.write("/tmp/planted-by-a-jailed-job"),  # noqa: S108 - the attack itself
    "write into /dev/shm": lambda bait: files.write("/dev/shm/planted-by-a-jailed-job"),  # noqa: S108 - the attack itself
    "write over a public file": lambda bait: files.write(bait["public_file"]),
    "truncate a file opened for reading": files.truncate_by_reading,
    "change a file's mode": files.change_mode,
    "make a symbolic link": files.make_link,
    "make a hard link": files.make_hard_link,
    "move a file": files.move,
    "write beside the scratch folder": files.write_beside_scratch,
    "run code from the scratch folder": files.program_in_scratch,
    "make a device in the scratch folder": files.device_in_scratch,
    "start more tasks than the limit": _too_many_tasks,
    "connect by TCP": _internet(socket.SOCK_STREAM, "tcp_port"),
    "send by UDP": _internet(socket.SOCK_DGRAM, "udp_port"),
    "connect to a UNIX socket": _unix("unix_path"),
    "connect to an abstract UNIX socket": _unix("abstract_name"),
    "make a socket pair": _socket_pair,
    "fork": _fork,
    "clone a process": _thread_of_its_own,
    "run a program": _run_program,
    "run a shell": _shell,
    "become another program": _become_program,
    "make a user namespace": _user_namespace,
    "mount a file system": _mount,
    "change the root": _change_root,
    "become root": _become_root,
    "hold a capability": _capabilities,
    "gain privileges by exec": _gain_by_exec,
    "take shared memory of System V": _shared_memory,
    "set the clock": _set_clock,
    "take more memory than allowed": _memory,
}
