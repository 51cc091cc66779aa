"""A request inside a replica: what came in, and the answer that it will get.

Sentences and codes are those of MLflow 3.17.2's scoring server, which the real containers are built on
(mlflow/pyfunc/scoring_server; serving_semantics B3, measured).
"""

import base64
import json
from dataclasses import dataclass, field
from typing import Any

import orjson

from sandbox.replicas.predict_message import PredictMessage
from sandbox.replicas.scoring.errors import UNEXPECTED, error_body

PARQUET = "application/vnd.apache.parquet"
KILLS_FORGIVEN = 3
"""So many runners may be killed (SIGKILL) under one request, or while they load, before the model is blamed: somebody else did
it, or the kernel, for a model that takes all the memory."""
INPUT_KEYS = ("dataframe_split", "dataframe_records", "instances", "inputs")

_FAILURES = {
    "RUNNER_DIED": (
        500,
        "INTERNAL_ERROR",
        "The model's process {detail} while it computed this request. It has been started again. Check what this input "
        "makes the model do; other requests were not affected.",
    ),
    "REPLICA_FAILED": (
        500,
        "INTERNAL_ERROR",
        "The replica could not compute this request ({detail}). Send it again; the endpoint's events say more.",
    ),
    "DEADLINE_EXCEEDED": (
        504,
        "DEADLINE_EXCEEDED",
        "Timed out while evaluating the model. Verify that the model evaluates within the timeout.",
    ),
    "RESULT_MISMATCH": (400, "BAD_REQUEST", "The model returned {detail}. It must return one prediction for each row."),
}


class InputError(Exception):
    """The request's body cannot be used: `error_code` and a sentence that says what to send."""

    def __init__(self, error_code: str, message: str) -> None:
        super().__init__(message)
        self.error_code = error_code


@dataclass(slots=True, frozen=True)
class RequestAnswer:
    """Status and JSON text."""

    status: int
    body: str


@dataclass(slots=True)
class Pending:
    """One request of a message. `payload` is filled in by the task that reads the body."""

    request_id: str
    body: str
    workspace_id: str
    table: str
    requester: str
    received_s: float
    deadline_s: float
    content_type: str = "application/json"
    """Of a body that is no text (Parquet), `body` holds base64."""
    bodies_key: str = ""
    """Where the bodies of its message are kept (`sandbox.inference_tables.bodies`); empty where they came with the message."""
    body_at: tuple[int, int] = (0, 0)
    """From which byte to which this body stands there."""
    client_request_id: str | None = None
    execution_ms: float = 0.0
    _answer: RequestAnswer | None = None
    payload: dict[str, Any] = field(default_factory=dict)
    matrix: Any = None
    """The rows as numbers, where they were read ahead."""
    is_lenient: bool = False
    """The body was JSON only as Python reads it, with bare NaN or Infinity."""
    is_raw: bool = False
    """The model's process reads the body itself and writes the whole answer."""
    is_completed: bool = False
    """Features were looked up: `payload` is what the model is given, `body` stays what the client sent."""
    logged_with: str = ""
    """A field, as JSON text, that the logged response has and the sent one has not."""

    @classmethod
    def all_of(cls, message: PredictMessage) -> list["Pending"]:
        """The requests of a message; answered already when their bodies are lost."""
        found = [cls(*raw) for raw in message.requests]
        if message.is_lost:
            for request in found:
                request.answer = failed("REPLICA_FAILED", "Redis came back without its body")
        if message.key:
            for request, span in zip(found, message.spans, strict=True):
                request.bodies_key, request.body_at = message.key, span
        return found

    @property
    def content(self) -> bytes:
        """The bytes of the body that the model is given."""
        if self.is_completed:
            return json.dumps(self.payload).encode()  # NaN stays NaN
        if self.content_type.startswith(PARQUET):
            return base64.b64decode(self.body)
        return self.body.encode("utf-8", "surrogatepass")

    @property
    def logged_response(self) -> str:
        """What the inference table gets."""
        body = self.answer.body
        return f"{body[:-1]}, {self.logged_with}}}" if self.logged_with and body.endswith("}") else body

    @property
    def is_answered(self) -> bool:
        return self._answer is not None

    @property
    def answer(self) -> RequestAnswer:
        assert self._answer is not None, "every request of a message gets an answer"
        return self._answer

    @answer.setter
    def answer(self, answer: RequestAnswer) -> None:
        self._answer = answer

    def read(self) -> dict[str, Any]:
        """The body as a JSON object, read once. Raises InputError."""
        if self.payload:
            return self.payload
        try:
            payload = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            payload = self._read_leniently()
        if not isinstance(payload, dict):
            received = "a list" if isinstance(payload, list) else f"unexpected input type '{type(payload)}"
            raise InputError("BAD_REQUEST", f"Invalid input. {ONE_KEY}. Received {received}.")
        client_request_id = payload.pop("client_request_id", None)
        self.client_request_id = None if client_request_id is None else str(client_request_id)
        payload.pop("usage_context", None)
        self.payload = payload
        return payload

    def _read_leniently(self) -> Any:
        """MLflow's server takes bare NaN and Infinity, which are not JSON."""
        self.is_lenient = True
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise InputError(
                "BAD_REQUEST", f"Invalid input. Ensure that input is a valid JSON formatted string. Error: '{error!r}'"
            ) from None


ONE_KEY = (
    "The input must be a JSON dictionary with exactly one of the input fields "
    "{'dataframe_split', 'dataframe_records', 'instances', 'inputs'}"
)


def refused(error: InputError) -> RequestAnswer:
    """400 with the error's code and sentence."""
    return RequestAnswer(400, error_body(error.error_code, str(error)))


def failed(kind: str, detail: str = "") -> RequestAnswer:
    """An answer from the table of failures; `MODEL_RAISED` with the exception as its detail."""
    if kind == "MODEL_RAISED":
        return RequestAnswer(400, error_body("BAD_REQUEST", UNEXPECTED, trace=detail))
    status, code, sentence = _FAILURES[kind]
    return RequestAnswer(status, orjson.dumps({"error_code": code, "message": sentence.format(detail=detail)}).decode())
