"""Misbehaving jobs: the payload names what to do. They run in the jail only."""

import os
import signal
import sys
import time
from collections.abc import Callable

from sandbox.jail.errors import JobProblem

PRELOAD: tuple[str, ...] = ()


def run(payload: bytes) -> bytes:
    return MISBEHAVIOURS[payload.decode()]()


def _spin() -> bytes:
    signal.signal(signal.SIGXCPU, signal.SIG_IGN)
    while True:
        pass


def _sleep() -> bytes:
    time.sleep(600)
    return b""


def _answer_too_much() -> bytes:
    return b"x" * (8 * 1024 * 1024)


def _flood_output() -> bytes:
    while True:
        for descriptor in range(3, 10):
            try:
                os.write(descriptor, b"x" * 65536)
            except OSError:
                continue


def _flood_errors() -> bytes:
    for _ in range(200):
        sys.stderr.write("x" * 1_000_000)
    sys.stderr.write("the last words")
    sys.stderr.flush()
    os._exit(3)


def _leave_quietly() -> bytes:
    os._exit(0)


def _crash() -> bytes:
    os.abort()


def _eat_memory() -> bytes:
    return bytes(64 * 1024**3)


def _nest() -> bytes:
    return _nest()


def _complain() -> bytes:
    raise JobProblem("The model is upside down.")


def _fail() -> bytes:
    raise ValueError("x" * 300_000)


def _print_first() -> bytes:
    print("what a job prints is not its result")
    return b"result"


MISBEHAVIOURS: dict[str, Callable[[], bytes]] = {
    "spin": _spin,
    "sleep": _sleep,
    "answer too much": _answer_too_much,
    "flood output": _flood_output,
    "flood errors": _flood_errors,
    "leave quietly": _leave_quietly,
    "crash": _crash,
    "eat memory": _eat_memory,
    "nest": _nest,
    "complain": _complain,
    "fail": _fail,
    "print first": _print_first,
}
