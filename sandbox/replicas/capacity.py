"""What this host offers to replicas: its memory and its CUDA devices."""

import ctypes
import os
import socket
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

SHARE_FOR_REPLICAS = 0.8
"""The rest of the memory stays for the site's other processes and the system's caches."""
MEMORY_VARIABLE = "NODE_MEMORY_MB"
_NAME_BYTES = 96


@dataclass(frozen=True)
class CudaDevice:
    """A device as NVIDIA's management library names it."""

    index: int
    name: str
    memory_bytes: int

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


class _Memory(ctypes.Structure):
    """nvmlMemory_t [NVML API reference]."""

    _fields_ = [("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong)]


def hostname() -> str:
    return socket.gethostname()


def memory_bytes() -> int:
    """Memory for replicas: NODE_MEMORY_MB, else four fifths of what the host or its container may use."""
    if given := os.environ.get(MEMORY_VARIABLE, ""):
        return int(given) * 1024 * 1024
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with suppress(OSError, ValueError):  # no limit is written as "max"
        total = min(total, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return int(total * SHARE_FOR_REPLICAS)


def cuda_devices() -> list[CudaDevice]:
    """The host's CUDA devices; empty without NVIDIA's driver."""
    try:
        nvml = ctypes.CDLL("libnvidia-ml.so.1")
    except OSError:
        return []
    if nvml.nvmlInit_v2() != 0:
        return []
    try:
        count = ctypes.c_uint()
        nvml.nvmlDeviceGetCount_v2(ctypes.byref(count))
        return [_device(nvml, index) for index in range(count.value)]
    finally:
        nvml.nvmlShutdown()


def _device(nvml: ctypes.CDLL, index: int) -> CudaDevice:
    handle, memory, name = ctypes.c_void_p(), _Memory(), ctypes.create_string_buffer(_NAME_BYTES)
    nvml.nvmlDeviceGetHandleByIndex_v2(index, ctypes.byref(handle))
    nvml.nvmlDeviceGetName(handle, name, _NAME_BYTES)
    nvml.nvmlDeviceGetMemoryInfo(handle, ctypes.byref(memory))
    return CudaDevice(index, name.value.decode(errors="replace"), memory.total)
