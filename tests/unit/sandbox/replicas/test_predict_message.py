"""The message from a gateway to a replica: kombu reads it as Celery's, and every request comes out as it went in."""

import copy
from typing import Any

import orjson
from kombu.transport import virtual

from sandbox.invocations.wires import celery_message
from sandbox.replicas.predict_message import predict_message, read_envelope, read_predict

REQUESTS = [
    ["id-1", '{"inputs":[1]}', "w1", "main.default.t", "ann", 1.5, 61.5],
    ["id-2", "", "w1", "", "ann", 1.5, 61.5],
    ["id-3", 'first line\nsecond, with "quotes", ü, 中 and 🎓', "w2", "main.default.t", "bob", 2.5, 62.5, "text/csv"],
    ["id-4", "the last", "w1", "main.default.t", "ann", 2.5, 62.5],
]


def _read_by_kombu(message: bytes) -> Any:
    return virtual.Message(
        read_envelope(message.decode()), channel=virtual.Channel.__new__(virtual.Channel)
    )  # decodes without a connection


def test_every_request_comes_out_as_it_went_in() -> None:
    message = _read_by_kombu(predict_message("replica.r1", "reply:1", "e1.7", copy.deepcopy(REQUESTS), "churn-1"))
    assert read_predict(message.body) == ("reply:1", "e1.7", REQUESTS)
    assert (message.headers["task"], message.headers["id"], message.delivery_tag) == ("replica.predict", "e1.7", "e1.7")
    assert message.delivery_info == {"exchange": "", "routing_key": "replica.r1"}


def test_messages_in_celerys_own_form_are_read_too() -> None:
    raw: dict[str, Any] = orjson.loads(celery_message("serving.wake", "t1", ("e1",), "control"))
    assert read_envelope(orjson.dumps(raw).decode()) == raw
    args, kwargs, _ = orjson.loads(_read_by_kombu(orjson.dumps(raw)).body)
    assert (args, kwargs) == (["e1"], {})
