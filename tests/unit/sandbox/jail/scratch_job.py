"""A job for `test_scratch`: uses its scratch folder in the way that the payload names, and says how far it got."""

import os
import tempfile

PRELOAD: tuple[str, ...] = ()


def run(payload: bytes) -> bytes:
    try:
        return USES[payload.decode()]().encode()
    except OSError as error:
        return os.strerror(error.errno or 0).encode()


def _keep_a_file() -> str:
    folder = tempfile.mkdtemp()
    path = os.path.join(folder, "kept.txt")
    with open(path, "w") as file:
        file.write("kept")
    os.rename(path, path + ".2")
    with open(path + ".2") as file:
        text = file.read()
    os.unlink(path + ".2")
    os.rmdir(folder)
    return text


def _fill_it() -> str:
    for number in range(3):
        with open(os.path.join(tempfile.gettempdir(), f"large-{number}"), "wb") as file:
            for _ in range(40):
                file.write(b"x" * 1024 * 1024)
    return "120 MiB"


def _many_files() -> str:
    for number in range(10_000):
        with open(os.path.join(tempfile.gettempdir(), str(number)), "wb"):
            pass
    return "10000 files"


USES = {"keep a file": _keep_a_file, "fill it": _fill_it, "make many files": _many_files}
