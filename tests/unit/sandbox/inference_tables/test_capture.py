"""What is appended to the capture stream."""

from typing import Any

import orjson

from sandbox.inference_tables import capture

MIB = 1024 * 1024


def record(**values: Any) -> capture.CaptureRecord:
    whole: Any = {
        "id": "r1",
        "client": None,
        "ws": "w",
        "table": "main.default.t",
        "t": 1.5,
        "status": 200,
        "ms": 0.25,
        "req": "{}",
        "resp": "[]",
        "entity": "e",
        "who": "me",
    }
    return whole | values  # type: ignore[no-any-return]


class Pipeline:
    """Takes what a Redis pipeline takes."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[bytes, bytes]]] = []

    def xadd(self, name: str, fields: dict[bytes, bytes]) -> str:
        self.calls.append((name, fields))
        return "queued"


def test_it_works() -> None:
    pipeline = Pipeline()
    assert capture.append(pipeline, [record(), record(id="r2")]) == "queued"
    ((stream, fields),) = pipeline.calls
    assert stream == "capture"
    assert orjson.loads(fields[b"b"]) == [record(), record(id="r2")]


def test_a_body_of_exactly_1_mib_is_logged() -> None:
    (logged,) = orjson.loads(capture.encode([record(req="x" * MIB, resp="é" * (MIB // 2))]))
    assert (len(logged["req"]), len(logged["resp"])) == (MIB, MIB // 2)
    assert "err" not in logged


def test_a_larger_body_is_null_with_its_code() -> None:
    given = record(req="x" * (MIB + 1), resp="é" * (MIB // 2 + 1), err=["EARLIER"])
    (logged,) = orjson.loads(capture.encode([given]))
    assert (logged["req"], logged["resp"]) == (None, None)
    assert logged["err"] == ["EARLIER", "MAX_REQUEST_SIZE_EXCEEDED", "MAX_RESPONSE_SIZE_EXCEEDED"]
    assert given["err"] == ["EARLIER"], "the caller's record was changed"


def test_text_that_is_no_valid_unicode_is_kept_as_far_as_it_goes() -> None:
    (logged,) = orjson.loads(capture.encode([record(req="a\ud800b")]))
    assert logged["req"] == "a?b"
    assert logged["id"] == "r1"
