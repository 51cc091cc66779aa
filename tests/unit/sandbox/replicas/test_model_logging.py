"""Python logging of a model: what a handler writes is read again, and what only looks like it is not."""

import json
import logging
from collections.abc import Iterator

import pytest

from sandbox.replicas import model_logging
from sandbox.replicas.model_logging import LONGEST_BODY, MARK, RecordHandler, read


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    made = logging.getLogger("tests.model")
    made.propagate = False
    handler = RecordHandler()
    made.addHandler(handler)
    yield made
    made.removeHandler(handler)


def test_it_works(logger: logging.Logger, capfd: pytest.CaptureFixture[str]) -> None:
    logger.warning("row %s is odd\nand two lines long: é", 7)
    logger.debug("below the level of the root logger")
    [line, _] = capfd.readouterr().err.split("\n")
    record = read(line)
    assert record is not None
    assert (record.severity, record.logger, record.body) == ("WARNING", "tests.model", "row 7 is odd\nand two lines long: é")
    assert record.attributes["code.function.name"] == "test_it_works"


def test_an_exception_comes_with_its_stack(logger: logging.Logger, capfd: pytest.CaptureFixture[str]) -> None:
    try:
        raise ValueError("bad luck")
    except ValueError:
        logger.exception("it failed")
    record = read(capfd.readouterr().err.strip("\n"))
    assert record is not None
    assert (record.severity, record.attributes["exception.type"]) == ("ERROR", "ValueError")
    assert record.attributes[model_logging.STACK_TRACE].endswith("ValueError: bad luck\n")


def test_an_endless_message_is_cut(logger: logging.Logger, capfd: pytest.CaptureFixture[str]) -> None:
    logger.error("語" * 100_000)
    line = capfd.readouterr().err.strip("\n")
    record = read(line)
    assert record is not None
    assert record.body == "語" * LONGEST_BODY
    assert len(line.encode()) < 16_000


GOOD = {"at_s": 1.0, "severity": "INFO", "logger": "a", "body": "b", "attributes": {}}


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        json.dumps(GOOD),
        MARK,
        f"{MARK}[1]",
        f"{MARK}{{}}",
        *(
            f"{MARK}{json.dumps(GOOD | wrong)}"
            for wrong in ({"at_s": "x"}, {"at_s": float("nan")}, {"at_s": 1e300}, {"attributes": 1})
        ),
        MARK + "[" * 100_000,
    ],
)
def test_what_is_no_record(text: str) -> None:
    assert read(text) is None


def test_half_a_character_becomes_a_whole_one() -> None:
    record = read(f"{MARK}{json.dumps(GOOD | {'body': chr(0xD800)})}")
    assert record is not None
    assert record.body == "?"
