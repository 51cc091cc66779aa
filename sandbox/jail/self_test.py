"""Does the jail hold on this machine? Lay out bait, run the attack battery on it, report what got through."""

import ctypes
import json
import os
import secrets
import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from sandbox.jail import attacks
from sandbox.jail.enter import address_space_bytes, enter_jail, use_scratch
from sandbox.jail.launch import JailedJob
from sandbox.jail.limits import GIB, Limits
from sandbox.jail.started import Tier

BATTERY_LIMITS = Limits(cpu_s=20, wall_s=30, address_space_bytes=GIB, output_bytes=1024 * 1024)
_BAIT_VARIABLE = "SANDBOX_JAIL_BAIT"


def holds(in_tier: Tier) -> bool:
    """Whether every attack is blocked in this tier. Raises JailRefused when the tier does not work at all."""
    return not breaches(in_tier)


def breaches(in_tier: Tier) -> dict[str, str]:
    """The attacks that got through in a job of this tier, and what they reached; empty is right."""
    with bait() as laid_out, JailedJob("sandbox.jail.attacks", limits=BATTERY_LIMITS, in_tier=in_tier) as job:
        return _reached(job.finish(json.dumps(laid_out).encode()))


def breaches_of_fork(scratch: str = "") -> dict[str, str]:
    """The same for a process forked from this one, the way model runners enter the jail; with a scratch folder or without."""
    with bait() as laid_out:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            _attack_and_exit(laid_out, writing, scratch)
        os.close(writing)
        with os.fdopen(reading, "rb") as answers:
            result = answers.read()
        os.waitpid(child, 0)
    if not result:
        return {"enter the jail after a fork": "the forked process ended without an answer"}
    return _reached(result)


def _attack_and_exit(laid_out: dict[str, Any], writing: int, scratch: str) -> None:
    try:
        limits = Limits(cpu_s=20, wall_s=30, address_space_bytes=address_space_bytes() + GIB // 2)
        if enter_jail(limits, keep_fds=(writing,), scratch=scratch).has_scratch:
            use_scratch(scratch)
        os.write(writing, attacks.run(json.dumps(laid_out).encode()))
    finally:
        os._exit(0)


def _reached(result: bytes) -> dict[str, str]:
    return {str(name): str(what) for name, what in json.loads(result).items()}


@contextmanager
def bait() -> Iterator[dict[str, Any]]:
    """Files, sockets and a secret that a jailed process must not reach, each of them reachable for us."""
    secret = secrets.token_hex(16)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="jail-bait-")))
        folder.chmod(0o755)
        for name, mode in (("private", 0o600), ("public", 0o644)):
            (folder / name).write_text(secret)
            (folder / name).chmod(mode)
        descriptor = os.open(folder / "private", os.O_RDONLY)
        stack.callback(os.close, descriptor)
        os.set_inheritable(descriptor, True)
        os.environ[_BAIT_VARIABLE] = secret
        stack.callback(os.environ.pop, _BAIT_VARIABLE, None)
        abstract_name = f"@jail-bait-{secret}"
        tcp, udp, unix, abstract = (
            stack.enter_context(socket.socket(family, kind))
            for family, kind in (
                (socket.AF_INET, socket.SOCK_STREAM),
                (socket.AF_INET, socket.SOCK_DGRAM),
                (socket.AF_UNIX, socket.SOCK_STREAM),
                (socket.AF_UNIX, socket.SOCK_STREAM),
            )
        )
        tcp.bind(("127.0.0.1", 0))
        udp.bind(("127.0.0.1", 0))
        unix.bind(str(folder / "socket"))
        (folder / "socket").chmod(0o777)
        abstract.bind(abstract_name.replace("@", "\0", 1))
        for listener in (tcp, unix, abstract):
            listener.listen(8)
        memory = ctypes.create_string_buffer(secret.encode())
        yield {
            "folder": str(folder),
            "private_file": str(folder / "private"),
            "public_file": str(folder / "public"),
            "secret": secret,
            "descriptor": descriptor,
            "parent": os.getpid(),
            "parent_address": ctypes.addressof(memory),
            "tcp_port": tcp.getsockname()[1],
            "udp_port": udp.getsockname()[1],
            "unix_path": str(folder / "socket"),
            "abstract_name": abstract_name,
            "memory_bytes": 6 * GIB,
        }
