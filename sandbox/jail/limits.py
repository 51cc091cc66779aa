"""How much a jailed process may use."""

from dataclasses import asdict, dataclass
from typing import Any, Self

MIB = 1024 * 1024
GIB = 1024 * MIB


@dataclass(frozen=True)
class Limits:
    """The limits of one jailed process; reaching one ends the process, never its neighbours."""

    cpu_s: int
    """Processor time in seconds; the kernel kills the process one second later at the latest."""
    wall_s: float
    """Time on the clock in seconds from the hand-over of the payload; the launcher kills the process then."""
    address_space_bytes: int
    """Virtual memory in all, what the interpreter maps before it enters the jail included."""
    output_bytes: int = 64 * MIB
    """The longest result."""
    open_files: int = 64

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> Self:
        return cls(**raw)
