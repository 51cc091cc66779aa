"""The message from a gateway to a replica: kombu reads it as Celery's, and every request comes out as it went in."""

from typing import Any

import orjson
from kombu.transport import virtual

from sandbox.inference_tables.bodies import KEPT_S
from sandbox.invocations.wires import celery_message
from sandbox.replicas.predict_message import APART_FROM_BYTES, predict_commands, read_envelope, read_predict
from sandbox.replicas.requests import Pending

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


def _commands(requests: list[list[Any]]) -> list[Any]:
    sent = [[request[0], request[1].encode(), *request[2:]] for request in requests]
    return predict_commands("replica.r1", "reply:1", "e1.7", sent, "churn-1")


def _nothing(key: str) -> None:
    raise AssertionError(f"{key} was asked for")


def test_every_request_comes_out_as_it_went_in() -> None:
    ((*push, text),) = _commands(REQUESTS)
    message = _read_by_kombu(text)
    assert push == ["LPUSH", "replica.r1"]
    found = read_predict(message.body, _nothing)
    assert (found.reply_list, found.message_id, found.requests, found.key) == ("reply:1", "e1.7", REQUESTS, "")
    assert (message.headers["task"], message.headers["id"], message.delivery_tag) == ("replica.predict", "e1.7", "e1.7")
    assert message.delivery_info == {"exchange": "", "routing_key": "replica.r1"}


LARGE = ["id-5", "ü" * APART_FROM_BYTES, "w1", "main.default.t", "ann", 2.5, 62.5]


def test_large_bodies_travel_apart_and_everybody_knows_where_they_stand() -> None:
    (set_, key, bodies, *expiry), (*_, text) = _commands([*REQUESTS, LARGE])
    assert (set_, key, expiry, len(text) < 2000) == ("SET", "bodies:reply:1:e1.7", ["EX", KEPT_S], True)
    found = read_predict(_read_by_kombu(text).body, {key: bodies}.get)
    assert (found.requests, found.key) == ([*REQUESTS, LARGE], key)
    assert [bodies[start:end].decode() for start, end in found.spans] == [request[1] for request in found.requests]


def test_bodies_that_nobody_logs_stay_with_their_message() -> None:
    assert [command[0] for command in _commands([[*LARGE[:3], "", *LARGE[4:]]])] == ["LPUSH"]


def test_lost_bodies_are_answered_with_an_error() -> None:
    text = _commands([LARGE])[1][-1]
    found = read_predict(_read_by_kombu(text).body, lambda key: None)
    (request,) = Pending.all_of(found)
    assert (request.request_id, request.answer.status, request.bodies_key) == ("id-5", 500, "")


def test_messages_in_celerys_own_form_are_read_too() -> None:
    raw: dict[str, Any] = orjson.loads(celery_message("serving.wake", "t1", ("e1",), "control"))
    assert read_envelope(orjson.dumps(raw).decode()) == raw
    args, kwargs, _ = orjson.loads(_read_by_kombu(orjson.dumps(raw)).body)
    assert (args, kwargs) == (["e1"], {})
