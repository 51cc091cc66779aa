"""Ends a runner that takes more memory than its workload type has, where no limit of the kernel's does it.

CUDA maps the memory of all devices into the address space, so a runner on a device has no limit on that; what it really holds of
the machine's memory is looked at a few times a second instead. Not run on hardware.
"""

import logging
import os
import signal
import threading
import time
from contextlib import suppress

logger = logging.getLogger(__name__)
LOOK_EVERY_S = 0.25
_HELD = ("RssAnon:", "RssShmem:")


def watch(pid: int, limit_bytes: int) -> threading.Thread:
    """Watch the process, a child of this one, until it ends."""
    thread = threading.Thread(target=_watch, args=(os.pidfd_open(pid), pid, limit_bytes), daemon=True, name="memory-watch")
    thread.start()
    return thread


def resident_bytes(pid: int) -> int:
    """Memory that the process holds, also what it maps to share; pages of files are left out. 0 when it has ended."""
    try:
        with open(f"/proc/{pid}/status") as file:
            return sum(int(line.split()[1]) * 1024 for line in file if line.startswith(_HELD))
    except OSError:
        return 0


def _watch(descriptor: int, pid: int, limit_bytes: int) -> None:
    try:
        while held := resident_bytes(pid):
            if held > limit_bytes:
                logger.error("a runner on a CUDA device held %d MB of %d MB and was ended", held >> 20, limit_bytes >> 20)
                with suppress(ProcessLookupError):
                    signal.pidfd_send_signal(descriptor, signal.SIGKILL)  # never another process of the same number
                return
            time.sleep(LOOK_EVERY_S)
    finally:
        os.close(descriptor)
