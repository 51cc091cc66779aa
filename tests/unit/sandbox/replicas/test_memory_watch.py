"""A process that takes too much is ended; one that does not is left alone."""

import subprocess
import sys

import pytest

from sandbox.replicas.memory_watch import resident_bytes, watch

MIB = 1024 * 1024
HOG = """
import mmap, sys, time
size = int(sys.argv[1])
held = mmap.mmap(-1, size) if "shared" in sys.argv else bytearray(size)
held[::4096] = b"x" * len(held[::4096])
print(flush=True)
time.sleep(60)
"""


def hog(size: int, how: str = "own") -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", HOG, str(size), how], stdout=subprocess.PIPE)


@pytest.mark.parametrize("how", ["own", "shared"])
def test_one_that_takes_too_much_is_ended(how: str) -> None:
    with hog(80 * MIB, how) as process:
        watched = watch(process.pid, 60 * MIB)
        assert process.wait(60) == -9
        watched.join(60)
        assert not watched.is_alive()


def test_one_that_keeps_to_its_limit_is_left_alone() -> None:
    with hog(20 * MIB) as process:
        assert process.stdout is not None
        process.stdout.readline()  # it holds what it asked for
        watched = watch(process.pid, 60 * MIB)
        assert 20 * MIB < resident_bytes(process.pid) < 60 * MIB
        assert process.poll() is None
        process.kill()
        process.wait()
        watched.join(60)
        assert not watched.is_alive()
        assert resident_bytes(process.pid) == 0
