"""Becomes a program inside the jail: ``become.py <limits as JSON> <program> <argument>…``, run as a script by `launcher`."""

import json
import os
import shlex
import sys
from pathlib import Path

_LOADERS = ("/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1")


def main(raw_limits: str, program: str, arguments: list[str]) -> None:
    """Enter the jail and run the program in place of this process, with standard input, output and error. Never returns."""
    from sandbox.jail.enter import enter_jail
    from sandbox.jail.limits import Limits

    programs = [os.path.realpath(path) for path in (program, *_LOADERS) if os.path.exists(path)]
    # the program lives on from one piece of work to the next: whoever drives it watches the time of each
    enter_jail(Limits.from_dict(json.loads(raw_limits)), programs=programs, apply_cpu=False, keep_fds=(0, 1, 2))
    os.execve(programs[0], [program, *arguments], {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "TZ": "UTC"})  # noqa: S606


def launcher(folder: Path, raw_limits: str, program: str) -> Path:
    """A file in `folder` that can be run in place of the program, and runs it in the jail with the same arguments."""
    path = folder / Path(program).name
    words = [sys.executable, "-I", str(Path(__file__).resolve()), raw_limits, program]
    path.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
    path.chmod(0o700)
    return path


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
