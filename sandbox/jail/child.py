"""The jailed side of a job: import what it declares, enter the jail, only then read the payload.

Started by `sandbox.jail.launch` as a script: ``child.py <job module> <settings as JSON>``, or forked from a process that has
imported the job (`sandbox.jail.forked`). On standard output go one byte
`ENTERED` and one frame (kind, length, bytes); whatever the job prints goes to standard error.
"""

import gc
import importlib
import json
import os
import struct
import sys
import traceback
from pathlib import Path
from typing import Any, NoReturn

ENTERED = b"J"
RESULT, PROBLEM, REFUSED = b"R", b"P", b"X"
FRAME_HEADER = struct.Struct("!cQ")
PAYLOAD_HEADER = struct.Struct("!Q")
_LONGEST_SENTENCE = 4_000


def main(job_name: str, raw_settings: str) -> None:
    """Run one job and end the process."""
    answers = take_output()
    gc.disable()  # imports make only objects that stay; looking through them takes a tenth of the time
    job = importlib.import_module(job_name)
    for name in job.PRELOAD:
        importlib.import_module(name)
    gc.freeze()
    gc.enable()
    run_job(job, json.loads(raw_settings), answers)


def take_output() -> int:
    """A descriptor for the frames, where standard output was; what is printed goes to standard error from now on."""
    answers = os.dup(1)
    os.dup2(2, 1)
    return answers


def run_job(job: object, settings: dict[str, Any], answers: int) -> NoReturn:
    """Enter the jail, run the job, whose modules are imported, and end the process."""
    from sandbox.jail.enter import enter_jail, use_scratch
    from sandbox.jail.errors import JailRefused
    from sandbox.jail.limits import Limits

    try:
        limits = Limits.from_dict(settings["limits"])
        confinement = enter_jail(limits, settings["readable"], keep_fds=(0, 1, 2, answers), scratch=settings["scratch"])
    except JailRefused as refusal:
        _answer(answers, REFUSED, str(refusal).encode())
        os._exit(1)
    if confinement.has_scratch:
        use_scratch(settings["scratch"])
    _write(answers, ENTERED)
    payload = _read_payload()
    kind, content = _run(job, payload)
    _answer(answers, kind, content)
    os._exit(0)  # the interpreter's own clearing up takes longer than many jobs


def _run(job: object, payload: bytes) -> tuple[bytes, bytes]:
    from sandbox.jail.errors import JobProblem

    try:
        return RESULT, bytes(job.run(payload))  # type: ignore[attr-defined]  # a job is any module with `run`
    except JobProblem as problem:
        sentence = str(problem)
    except MemoryError:
        sentence = "It needs more memory than it may use."
    except RecursionError:
        sentence = "It is nested too deeply."
    except BaseException as error:
        traceback.print_exc()
        sentence = f"{type(error).__name__}: {error}"
    return PROBLEM, sentence[:_LONGEST_SENTENCE].encode("utf-8", "replace")


def _read_payload() -> bytes:
    (length,) = PAYLOAD_HEADER.unpack(_read(PAYLOAD_HEADER.size))
    return _read(length)


def _read(length: int) -> bytes:
    received = bytearray()
    while len(received) < length:
        chunk = os.read(0, min(length - len(received), 1 << 20))
        if not chunk:  # the launcher is gone
            os._exit(1)
        received += chunk
    return bytes(received)


def _answer(descriptor: int, kind: bytes, content: bytes) -> None:
    _write(descriptor, FRAME_HEADER.pack(kind, len(content)))
    _write(descriptor, content)


def _write(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    main(*sys.argv[1:])
