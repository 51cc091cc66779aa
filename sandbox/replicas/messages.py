"""What travels between gateway, node and replica: plain data, no Django."""

from dataclasses import asdict, dataclass, field
from typing import Any, Self


@dataclass(frozen=True)
class ReplicaSpec:
    """Everything a node needs to start one replica of a served entity."""

    entity_id: str
    runtime: str
    """`onnx`, `embedding`, `pyfunc` or `spec`."""
    model_path: str
    """The content-addressed model file; a node looks in its own folder of models and fetches what is missing there."""
    model_sha256: str
    served_name: str
    environment: str = ""
    """Environment variables of a pyfunc model, encrypted (`sandbox.serving.entity_environment`); empty for none."""
    endpoint_id: str = ""
    replicas: int = 1
    """How many replicas of the entity the node is to run from now on."""
    device: str = "cpu"
    """`cpu`, or `cuda`: the node chooses a device and hands `cuda:<index>` to the replica."""
    memory_limit_bytes: int = 4 * 1024**3
    """Memory of one replica by its workload type (CPU 4 GB, CPU_MEDIUM 8, CPU_LARGE 16 [model-serving-limits page])."""
    lookups: dict[str, Any] = field(default_factory=dict)
    """A `sandbox.features.plan.LookupPlan` as JSON; empty when nothing is looked up."""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> Self:
        return cls(**raw)


PYFUNC_PLACES = 4
"""Requests that a replica of a pyfunc model computes at the same time, each in a message and a runner of its own
(Small is 4 concurrent requests [model-serving docs])."""
NODE_START = "node.start_replica"
"""Celery task on a node's queue: args (spec.to_dict(),). From now on the node runs `replicas` of the entity: what is missing is
started, what is too much is drained and stopped; asking again does nothing."""
NODE_STOP = "node.stop_replicas"
"""Celery task on a node's queue: args (entity_id,). Drains, then stops every replica of the entity."""
REPLICA_PREDICT = "replica.predict"
"""Celery task on a replica's queue: see `sandbox.replicas.predict_message`."""
CONTROL_WAKE = "serving.wake"
"""Celery task on queue `control`: args (entity_id,). The gateway asks for a replica (cold start)."""
CONTROL_REPLICA_CHANGED = "serving.replica_changed"
"""Celery task on queue `control`: args (entity_id,). A node reports: a replica is ready, gone or failed."""


def node_queue(node: str) -> str:
    return f"node.{node}"


CONTROL_SEND_MODEL = "serving.send_model"
"""Celery task on queue `control`: args (sha256,). A node lacks the model file: put it under `model_key` for a while."""


def model_key(sha256: str) -> str:
    """Redis key under which a model file travels to a node; empty bytes say that there is no such file."""
    return f"model:{sha256}"


NODES_KEY = "nodes"
"""Redis hash node name -> JSON of what the node announces, renewed each second: heartbeat_s, incarnation, host, pid,
memory_bytes (for replicas), cuda (a list of {index, name, memory_bytes})."""


def committed_key(reply_list: str, message_id: str) -> str:
    """Redis key that a replica sets in the transaction that commits the answers of a message; it expires after a minute."""
    return f"committed:{reply_list}:{message_id}"


def replica_queue(replica_id: str) -> str:
    return f"replica.{replica_id}"
