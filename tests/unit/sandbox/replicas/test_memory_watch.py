"""A process that takes too much is ended; one that does not is left alone."""

import subprocess
import sys

from sandbox.replicas.memory_watch import resident_bytes, watch

MIB = 1024 * 1024
HOG = """
import sys, time
held = bytearray(int(sys.argv[1]))
held[::4096] = b"x" * len(held[::4096])
print(flush=True)
time.sleep(60)
"""


def hog(size: int) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", HOG, str(size)], stdout=subprocess.PIPE)


def test_one_that_takes_too_much_is_ended() -> None:
    with hog(80 * MIB) as process:
        watched = watch(process.pid, 60 * MIB)
        assert process.wait(10) == -9
        watched.join(5)
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
        watched.join(5)
        assert not watched.is_alive()
        assert resident_bytes(process.pid) == 0
