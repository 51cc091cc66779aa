"""Attacks of the battery on files: reading, writing, moving, mapping and making what is not the job's."""

import contextlib
import mmap
import os
import sys
from typing import Any

Bait = dict[str, Any]


def read(path: str) -> str:
    with open(path, "rb") as file:
        return f"{len(file.read(4096))} bytes"


def write(path: str) -> str:
    with open(path, "wb") as file:
        file.write(b"x")
    return "written"


def change_mode(bait: Bait) -> str:
    os.chmod(bait["public_file"], 0o600)
    return "changed"


def make_link(bait: Bait) -> str:
    os.symlink("/etc/passwd", bait["folder"] + "/link")
    return "made"


def make_hard_link(bait: Bait) -> str:
    os.link(bait["public_file"], bait["folder"] + "/second-name")
    return "made"


def write_beside_scratch(bait: Bait) -> str:
    """From where temporary files may lie, if the process has such a place."""
    folder = os.environ.get("TMPDIR", "/tmp")  # noqa: S108 - the attack itself
    return write(folder + "/../planted-by-a-jailed-job")


def program_in_scratch(bait: Bait) -> str:
    """Code of one's own as a library of the process would need no new program."""
    path = os.environ.get("TMPDIR", "/tmp") + "/library.so"  # noqa: S108 - the attack itself
    with open(sys.executable, "rb") as source, open(path, "wb") as target:
        target.write(source.read(1 << 20))
    with open(path, "rb") as file:
        mmap.mmap(file.fileno(), 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC)
    return "mapped"


def device_in_scratch(bait: Bait) -> str:
    os.mknod(os.environ.get("TMPDIR", "/tmp") + "/null", 0o20666, os.makedev(1, 3))  # noqa: S108 - the attack itself
    return "made"


def move(bait: Bait) -> str:
    os.rename(bait["public_file"], bait["public_file"] + ".moved")
    return "moved"


def truncate_by_reading(bait: Bait) -> str:
    os.close(os.open(bait["public_file"], os.O_RDONLY | os.O_TRUNC))
    return "truncated"


def relative(bait: Bait) -> str:
    """ONNX Runtime resolves external data from the working directory."""
    with contextlib.suppress(OSError):
        return read("etc/passwd")
    return read("../" * 20 + "etc/passwd")
