"""Which node runs how many replicas of an entity: a pure rule over what the nodes announced."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MIB = 1024 * 1024
REPLICA_BYTES = {"onnx": 128 * MIB, "embedding": 256 * MIB, "pyfunc": 512 * MIB}
"""Memory set aside for a replica of each runtime, without its model (measured: 51 MB idle with ONNX; the rest is for work)."""
MODEL_COPIES = 3
"""A model lies in memory as the file's bytes, in its session, and once more while it loads."""
CUDA_CONTEXT_BYTES = 512 * MIB


@dataclass(frozen=True)
class Need:
    """What one replica takes."""

    memory_bytes: int
    wants_cuda: bool = False
    """A GPU workload type; where no node has a device it runs on the CPU."""


@dataclass(frozen=True)
class Room:
    """What a node has left, not counting the entity that is being placed."""

    address: str
    """`<node>/<incarnation>`"""
    free_bytes: int
    replicas: int
    """How many replicas of other entities it runs."""
    free_cuda_bytes: int = 0
    """0 without a device."""


def need_of(runtime: str, model_bytes: int, *, is_gpu: bool) -> Need:
    """`model_bytes`: size of the model's file."""
    return Need(REPLICA_BYTES.get(runtime, REPLICA_BYTES["pyfunc"]) + MODEL_COPIES * model_bytes, is_gpu)


def spread(count: int, need: Need, rooms: Sequence[Room], here: Mapping[str, int]) -> dict[str, int]:
    """Address -> number of replicas, `count` in all or as many as there is room for.

    What runs already (`here`) stays where it is. One that is added goes to the node with the fewest of the same entity, then
    with the fewest of all; one that is taken away leaves the node with the most. A GPU entity goes to nodes with a CUDA
    device when there is one anywhere.
    """
    on_cuda = need.wants_cuda and any(room.free_cuda_bytes for room in rooms)
    usable = {room.address: room for room in rooms if room.free_cuda_bytes or not on_cuda}
    placed = {address: number for address, number in here.items() if address in usable and number > 0}
    while sum(placed.values()) > count:
        most = max(placed, key=lambda address: (placed[address], usable[address].replicas, address))
        placed[most] -= 1
        if not placed[most]:
            del placed[most]
    while sum(placed.values()) < count:
        free = [room for room in usable.values() if _fits(room, need, placed.get(room.address, 0), on_cuda=on_cuda)]
        if not free:
            break
        best = min(free, key=lambda room: (placed.get(room.address, 0), room.replicas, room.address))
        placed[best.address] = placed.get(best.address, 0) + 1
    return placed


def _fits(room: Room, need: Need, there: int, *, on_cuda: bool) -> bool:
    """Whether one more fits beside the `there` that are on the node."""
    if on_cuda and (there + 1) * (need.memory_bytes + CUDA_CONTEXT_BYTES) > room.free_cuda_bytes:
        return False
    return (there + 1) * need.memory_bytes <= room.free_bytes
