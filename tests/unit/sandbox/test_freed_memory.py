"""What is freed and taken again costs the kernel no fresh pages."""

import subprocess
import sys

import pytest

_FAULTS = """
import resource
from sandbox.freed_memory import keep_freed_memory
{call}
def copy(body): return len(b"".join((b"x", body)) + b"x")
body = b"b" * 500_000
copy(body)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(50): copy(body)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the C library's settings are those of Linux")
def test_pages_are_kept() -> None:
    usual, kept = (
        int(subprocess.run([sys.executable, "-c", _FAULTS.format(call=call)], capture_output=True, check=True).stdout)
        for call in ("", "keep_freed_memory()")
    )
    assert kept < 100
    assert usual > 5 * kept
