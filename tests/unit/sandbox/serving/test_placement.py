"""Where replicas go: even spread, memory, devices, and no move without need."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sandbox.serving.placement import CUDA_CONTEXT_BYTES, MIB, Need, Room, better_place, need_of, spread

NEED = Need(100 * MIB)


def room(address: str, free_mib: int = 10_000, replicas: int = 0, cuda_mib: int = 0) -> Room:
    return Room(address, free_mib * MIB, replicas, cuda_mib * MIB)


def test_replicas_spread_over_the_nodes() -> None:
    assert spread(4, NEED, [room("a"), room("b"), room("c")], {}) == {"a": 2, "b": 1, "c": 1}


def test_a_lone_replica_goes_to_the_node_that_has_least_to_do() -> None:
    assert spread(1, NEED, [room("a", replicas=3), room("b", replicas=2)], {}) == {"b": 1}


def test_what_runs_stays_where_it_is() -> None:
    assert spread(2, NEED, [room("a", replicas=9), room("b")], {"a": 2}) == {"a": 2}
    assert spread(3, NEED, [room("a", replicas=9), room("b")], {"a": 2}) == {"a": 2, "b": 1}


def test_one_that_is_taken_away_leaves_the_fullest_node() -> None:
    assert spread(2, NEED, [room("a"), room("b")], {"a": 1, "b": 3}) == {"a": 1, "b": 1}
    assert spread(0, NEED, [room("a")], {"a": 2}) == {}


def test_one_that_is_not_ready_is_taken_away_first() -> None:
    assert spread(1, NEED, [room("a", replicas=9), room("b")], {"a": 1, "b": 1}, {"a": 1}) == {"a": 1}
    assert spread(2, NEED, [room("a"), room("b")], {"a": 3, "b": 1}, {"a": 3}) == {"a": 2}


def test_a_better_place() -> None:
    assert better_place(NEED, [room("a"), room("b")], {"a": 2}) == ("a", "b")
    assert better_place(NEED, [room("a", replicas=1), room("b")], {"a": 1}) == ("a", "b")
    assert better_place(NEED, [room("a"), room("b")], {"a": 1}) is None
    assert better_place(NEED, [room("a", replicas=1), room("b", replicas=1)], {"a": 1}) is None
    assert better_place(NEED, [room("a", replicas=9), room("b", 99)], {"a": 1}) is None  # no room there
    assert better_place(Need(100 * MIB, wants_cuda=True), [room("a", cuda_mib=9000), room("b")], {"a": 2}) is None
    assert better_place(NEED, [room("a")], {}) is None


def test_those_of_a_dead_node_come_up_on_the_others() -> None:
    assert spread(3, NEED, [room("b")], {"dead": 2, "b": 1}) == {"b": 3}


def test_memory_is_respected_and_what_has_no_room_is_left_out() -> None:
    assert spread(5, NEED, [room("a", 250), room("b", 120)], {}) == {"a": 2, "b": 1}
    assert spread(1, NEED, [room("a", 99)], {}) == {}
    assert spread(1, NEED, [], {}) == {}


def test_a_gpu_entity_goes_where_a_device_is() -> None:
    gpu = Need(100 * MIB, wants_cuda=True)
    one_fits = 100 + CUDA_CONTEXT_BYTES // MIB
    assert spread(2, gpu, [room("a"), room("b", cuda_mib=one_fits)], {}) == {"b": 1}
    assert spread(2, gpu, [room("a"), room("b", cuda_mib=2 * one_fits)], {"a": 1}) == {"b": 2}
    assert spread(2, gpu, [room("a"), room("b")], {}) == {"a": 1, "b": 1}  # no device anywhere: on the CPU
    assert spread(2, NEED, [room("a"), room("b", cuda_mib=2 * one_fits)], {}) == {"a": 1, "b": 1}


def test_a_larger_model_needs_more() -> None:
    assert need_of("onnx", 0, is_gpu=False).memory_bytes < need_of("onnx", 100 * MIB, is_gpu=True).memory_bytes
    assert need_of("something new", 0, is_gpu=False) == need_of("pyfunc", 0, is_gpu=False)


names = st.lists(st.sampled_from("abcdef"), unique=True, max_size=6)
rooms = names.flatmap(
    lambda found: st.tuples(*(st.builds(room, st.just(name), st.integers(0, 1000), st.integers(0, 9)) for name in found))
)


@given(st.integers(0, 20), rooms, st.dictionaries(st.sampled_from("abcxyz"), st.integers(0, 5)))
def test_always(count: int, nodes: tuple[Any, ...], here: dict[str, int]) -> None:
    placed = spread(count, NEED, nodes, here)
    by_name = {node.address: node for node in nodes}
    assert set(placed) <= set(by_name)
    assert all(number > 0 for number in placed.values())
    assert sum(placed.values()) <= count
    for name, number in placed.items():
        assert number <= max(here.get(name, 0), by_name[name].free_bytes // NEED.memory_bytes)
    if sum(placed.values()) < count:
        assert all((placed.get(name, 0) + 1) * NEED.memory_bytes > node.free_bytes for name, node in by_name.items())
    assert spread(count, NEED, nodes, placed) == placed, "asking again moves nothing"


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=6))
def test_moves_come_to_an_end_and_leave_no_node_two_ahead(entities: list[tuple[int, ...]]) -> None:
    placed = [{name: n for name, n in zip("abc", numbers, strict=True) if n} for numbers in entities]

    def rooms_beside(own: dict[str, int]) -> list[Room]:
        return [room(n, replicas=sum(each.get(n, 0) for each in placed) - own.get(n, 0)) for n in "abc"]

    for _ in range(200):
        moves = ((position, better_place(NEED, rooms_beside(own), own)) for position, own in enumerate(placed))
        position, move = next(((p, m) for p, m in moves if m), (0, None))
        if move is None:
            break
        before, total = placed[position], sum(placed[position].values())
        more = spread(total + 1, NEED, rooms_beside(before), before)
        assert more == {**before, move[1]: before.get(move[1], 0) + 1}
        placed[position] = spread(total, NEED, rooms_beside(before), more)
        assert placed[position] == {n: c for n, c in {**more, move[0]: more[move[0]] - 1}.items() if c}
    else:
        raise AssertionError("replicas never come to rest")
    totals = [sum(each.get(name, 0) for each in placed) for name in "abc"]
    lone = [each for each in placed if sum(each.values()) == 1]
    assert max(totals) - min(totals) < 2 or not any(each.get("abc"[totals.index(max(totals))]) for each in lone)
