"""Errors of MLflow's scoring server: code, sentence, class and state, as one JSON object (serving_semantics B3, measured)."""

import json

SCHEMA_ENFORCEMENT_FAILED = "SCHEMA_ENFORCEMENT_FAILED"
_STATES = {SCHEMA_ENFORCEMENT_FAILED: "KAM01"}

UNEXPECTED = (
    "Encountered an unexpected error while evaluating the model. Verify that the serialized input Dataframe is compatible with "
    "the model for inference."
)


class ScoringError(Exception):
    """A 400 of the scoring server."""

    status = 400

    def __init__(self, error_code: str, message: str, error_class: str = "INVALID_PARAMETER_VALUE", trace: str = "") -> None:
        super().__init__(message)
        self.error_code = error_code
        self.message = message
        self.error_class = error_class
        self.trace = trace

    def body(self) -> str:
        return error_body(self.error_code, self.message, self.error_class, self.trace)


class UnsupportedMediaType(Exception):
    """A 415; MLflow answers it in plain text, here it has the shape of every other error."""

    status = 415

    def body(self) -> str:
        return error_body("BAD_REQUEST", str(self))


def error_body(error_code: str, message: str, error_class: str = "INVALID_PARAMETER_VALUE", trace: str = "") -> str:
    """The JSON text; `trace` goes into `stack_trace`."""
    body = {
        "error_code": error_code,
        "message": message,
        "sqlstate": _STATES.get(error_class, "KAM00"),
        "error_class": error_class,
    }
    if trace:
        body["stack_trace"] = trace
    return json.dumps(body)


def bad_request(sentence: str) -> ScoringError:
    """What could not be read as input."""
    return ScoringError("BAD_REQUEST", f"Invalid input. {sentence}")


def invalid(sentence: str, error_class: str = "INVALID_PARAMETER_VALUE") -> ScoringError:
    """What could be read but does not fit the signature."""
    return ScoringError("INVALID_PARAMETER_VALUE", sentence, error_class)


def model_raised(trace: str) -> ScoringError:
    """The model's own exception."""
    return ScoringError("BAD_REQUEST", UNEXPECTED, trace=trace)
