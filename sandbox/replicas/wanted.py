"""A replica as the node that keeps it running knows it."""

from dataclasses import dataclass

from sandbox import live
from sandbox.replicas.messages import ReplicaSpec, replica_queue


@dataclass
class Wanted:
    """A replica that a node is to keep running."""

    spec: ReplicaSpec
    replica_id: str
    pid: int = 0
    seen: bool = False
    """Whether its announcement has been seen in Redis."""

    @property
    def entity_id(self) -> str:
        return self.spec.entity_id

    def record(self, node: str, *, draining: bool = False) -> live.LiveReplica:
        return live.LiveReplica(self.replica_id, replica_queue(self.replica_id), node, self.pid, draining)
