"""A model that is heavy to compute on one node and on two, each pinned to a core: does a second node help?"""

import os
from pathlib import Path
from typing import Any

from benchmarks import driving, forests, ours
from tests.second_node import SecondNode

ROWS_PER_REQUEST = 500
CONCURRENCY = (16,)


def measure(at: ours.Site, version: str, scratch: Path, timing: driving.Timing) -> dict[str, Any]:
    """requests/s of the heavy model, the next `version`, with both replicas on the first node, then with one replica on each."""
    requests, heavy = scratch / "heavy.json", forests.neighbours()
    forests.write_requests(requests, [heavy], ROWS_PER_REQUEST)
    ours.register([heavy])
    _pin(_node_pid(at), 0)
    ours.deploy(at, "one-node", [version], size="Medium")
    one = driving.drive(ours.url(at, "one-node"), requests, timing, token=at.token, concurrencies=CONCURRENCY)
    at.workspace.serving_endpoints.delete("one-node")
    with SecondNode(at.stack, "node-2") as second:
        _pin(second.pid, 1)
        ours.deploy(at, "two-nodes", [version], size="Medium")
        two = driving.drive(ours.url(at, "two-nodes"), requests, timing, token=at.token, concurrencies=CONCURRENCY)
    return {"one": one["16"], "two": two["16"], "rows": ROWS_PER_REQUEST}


def _node_pid(at: ours.Site) -> int:
    """The node's worker among the site's processes; replicas inherit its core when they are forked."""
    from orjson import loads

    replicas = [loads(value) for key in at.redis.scan_iter("live:replicas:*") for value in at.redis.hvals(key)]
    return _parent(_parent(int(replicas[0]["pid"])))


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def _pin(pid: int, core: int) -> None:
    """The process and all that it has started, to one core."""
    for each in [pid, *ours.descendants(pid)]:
        for thread in Path(f"/proc/{each}/task").iterdir():
            os.sched_setaffinity(int(thread.name), {core})
