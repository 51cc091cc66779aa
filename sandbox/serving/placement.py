"""Which node runs how many replicas of an entity: a pure rule over what the nodes announced."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

MIB = 1024 * 1024
REPLICA_BYTES = {"onnx": 128 * MIB, "spec": 64 * MIB, "embedding": 256 * MIB, "pyfunc": 512 * MIB}
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


def spread(
    count: int, need: Need, rooms: Sequence[Room], here: Mapping[str, int], ready: Mapping[str, int] | None = None
) -> dict[str, int]:
    """Address -> number of replicas, `count` in all or as many as there is room for.

    What runs already (`here`) stays where it is. One that is added goes to the node with the fewest of the same entity, then
    with the fewest of all; one that is taken away is one that is not ready yet (`ready`, None where all are), else it leaves the
    node with the most. A GPU entity goes to nodes with a CUDA device when there is one anywhere.
    """
    usable = _usable(need, rooms)
    placed = {address: number for address, number in here.items() if address in usable and number > 0}
    while sum(placed.values()) > count:
        most = _fullest(placed, usable, here if ready is None else ready)
        placed[most] -= 1
        if not placed[most]:
            del placed[most]
    while sum(placed.values()) < count:
        best = _emptiest(placed, usable, need)
        if best is None:
            break
        placed[best] = placed.get(best, 0) + 1
    return placed


def better_place(need: Need, rooms: Sequence[Room], here: Mapping[str, int]) -> tuple[str, str] | None:
    """(from, to) when a replica of an entity would be better off on another node; None when it stays.

    It is when its node has two more of the same entity, or one more and at least two more of all. Each move makes the spread of
    the entity or that of all replicas more even and neither less, so moves come to an end.
    """
    usable = _usable(need, rooms)
    placed = {address: number for address, number in here.items() if address in usable and number > 0}
    to = _emptiest(placed, usable, need)
    if to is None or not placed:
        return None
    source = _fullest(placed, usable, placed)
    same = placed[source] - placed.get(to, 0)
    overall = same + usable[source].replicas - usable[to].replicas
    return (source, to) if same >= 2 or (same == 1 and overall >= 2) else None


def _usable(need: Need, rooms: Sequence[Room]) -> dict[str, Room]:
    """By address: where a device is wanted and one is anywhere, only nodes with one."""
    on_cuda = _is_on_cuda(need, rooms)
    return {room.address: room for room in rooms if room.free_cuda_bytes or not on_cuda}


def _is_on_cuda(need: Need, rooms: Iterable[Room]) -> bool:
    return need.wants_cuda and any(room.free_cuda_bytes for room in rooms)


def _fullest(placed: Mapping[str, int], usable: Mapping[str, Room], ready: Mapping[str, int]) -> str:
    """Where one is taken away."""
    return max(placed, key=lambda at: (placed[at] > ready.get(at, 0), placed[at], usable[at].replicas, at))


def _emptiest(placed: Mapping[str, int], usable: Mapping[str, Room], need: Need) -> str | None:
    """Where one is added; None when there is no room for it."""
    on_cuda = _is_on_cuda(need, usable.values())
    free = [room for room in usable.values() if _fits(room, need, placed.get(room.address, 0), on_cuda=on_cuda)]
    best = min(free, key=lambda room: (placed.get(room.address, 0), room.replicas, room.address), default=None)
    return best.address if best else None


def _fits(room: Room, need: Need, there: int, *, on_cuda: bool) -> bool:
    """Whether one more fits beside the `there` that are on the node."""
    if on_cuda and (there + 1) * (need.memory_bytes + CUDA_CONTEXT_BYTES) > room.free_cuda_bytes:
        return False
    return (there + 1) * need.memory_bytes <= room.free_bytes
