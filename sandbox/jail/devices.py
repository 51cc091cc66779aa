"""What a jailed process may touch of one CUDA device: its nodes for reading, writing and ioctl, and the driver's description.

Not run on hardware. A process without a device is refused all of it; see `sandbox.jail.seccomp` for the ioctl commands.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SHARED_NODES = ("/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools")
"""Of the driver; the kernel keeps what processes do through them apart [NVIDIA driver README, device nodes]."""
DESCRIPTION = (
    "/proc/driver/nvidia",
    "/sys/module/nvidia",
    "/sys/bus/pci/devices",
    "/sys/devices/pci0000:00",
    "/usr/share/nvidia",
)


@dataclass(frozen=True)
class DeviceFiles:
    """Paths beyond those of every jailed process."""

    nodes: tuple[str, ...] = ()
    readable: tuple[str, ...] = ()


NONE = DeviceFiles()


def cuda_files(device: str, root: Path = Path("/")) -> DeviceFiles:
    """For `cuda:<index>`: the nodes that this machine has, of no other device than that one; nothing for `cpu`.

    Raises ValueError for anything else, so that no name becomes a path.
    """
    if device == "cpu":
        return NONE
    kind, _, index = device.partition(":")
    if kind != "cuda" or not (index.isascii() and index.isdecimal() and len(index) < 4):
        raise ValueError(f"'{device}' is neither cpu nor cuda:<index>.")
    return DeviceFiles(_there((f"/dev/nvidia{int(index)}", *SHARED_NODES), root), _there(DESCRIPTION, root))


def _there(paths: Sequence[str], root: Path) -> tuple[str, ...]:
    return tuple(path for path in paths if (root / path.lstrip("/")).exists())
