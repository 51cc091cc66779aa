"""What replicas use of the machine, read from /proc: processor time and memory of a worker and its jailed runner together."""

import os
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sandbox.measures import Usage

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
MEMORY_EVERY_S = 300.0
"""The memory of a replica that rests is read no more often: the kernel walks all its pages for it (milliseconds)."""
BUSY_PERCENT = 1.0


@dataclass
class _Before:
    """The sample before."""

    at_s: float
    cpu_s: float
    memory_bytes: int = 0
    memory_at_s: float = 0.0


class Meter:
    """Remembers one sample for each replica, because processor time is a difference."""

    def __init__(self) -> None:
        self._before: dict[int, _Before] = {}

    def sample(self, pids: Iterable[int]) -> dict[int, Usage]:
        """Worker's process id -> usage; left out are replicas that are seen for the first time, or have gone."""
        found, seen = {}, {}
        for pid in pids:
            processes = [pid, *_children(pid)]
            try:
                now_s, cpu_s = time.monotonic(), sum(map(_cpu_s, processes))
            except OSError:
                continue
            before = self._before.get(pid)
            after = seen[pid] = _Before(now_s, cpu_s)
            if before is None:
                continue
            percent = max(0.0, cpu_s - before.cpu_s) / max(0.001, now_s - before.at_s) * 100
            after.memory_bytes, after.memory_at_s = before.memory_bytes, before.memory_at_s
            if percent >= BUSY_PERCENT or now_s - after.memory_at_s > MEMORY_EVERY_S or not after.memory_bytes:
                after.memory_bytes, after.memory_at_s = sum(map(_memory_bytes, processes)), now_s
            found[pid] = Usage(percent, after.memory_bytes)
        self._before = seen
        return found


def _children(pid: int) -> list[int]:
    with suppress(OSError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def _cpu_s(pid: int) -> float:
    """User and system time. The name in the second field may hold anything, so the fields are counted from its end."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def _memory_bytes(pid: int) -> int:
    """Memory that no other process shares; where the kernel does not say, resident memory without mapped files."""
    with suppress(OSError):
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Private_"))
    with suppress(OSError):
        _, resident, shared, *_ = map(int, Path(f"/proc/{pid}/statm").read_text().split())
        return (resident - shared) * _PAGE_BYTES
    return 0
