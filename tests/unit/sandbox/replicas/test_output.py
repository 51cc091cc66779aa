"""What a runner prints becomes lines: whole, in order, bounded, without secrets."""

import json
import os
from collections.abc import Iterator

import pytest

from sandbox.replicas.model_logging import MARK, STACK_TRACE
from sandbox.replicas.output import BYTES_PER_SECOND, LONGEST_LINE, REDACTED, OutputPump, redactable
from sandbox.service_logs import LogLine, LogRecord
from tests.stack import wait_for


class Printer:
    """The writing end of a runner's output, and the lines that came of it."""

    def __init__(self, secrets: tuple[str, ...] = ()) -> None:
        self.lines: list[LogLine] = []
        reads, self._writes = os.pipe()
        self.pump = OutputPump("r1", self.lines.extend, secrets)
        self.pump.add(reads)

    def print(self, content: bytes) -> None:
        view = memoryview(content)
        while view:
            view = view[os.write(self._writes, view) :]

    def texts(self, count: int) -> list[str]:
        """Once `count` lines have come."""
        wait_for(lambda: len(self.lines) >= count, 60, f"only {len(self.lines)} lines came")
        return [line.text for line in self.lines]

    def close(self) -> None:
        os.close(self._writes)


@pytest.fixture
def printer() -> Iterator[Printer]:
    made = Printer()
    yield made
    made.close()


def test_it_works(printer: Printer) -> None:
    printer.print(b"first\nsec")
    printer.print(b"ond\n\tthird \xc3\xa9\n")
    assert printer.texts(3) == ["first", "second", "\tthird é"]
    assert {line.replica_id for line in printer.lines} == {"r1"}


def test_the_last_words_need_no_line_break() -> None:
    printer = Printer()
    printer.print(b"no break")
    printer.close()
    assert printer.texts(1) == ["no break"]


def test_a_flood_is_cut_and_counted(printer: Printer) -> None:
    line = b"x" * 99 + b"\n"
    written = 40 * BYTES_PER_SECOND // len(line)
    printer.print(line * written)
    wait_for(lambda: any("output truncated" in each.text for each in printer.lines), 60, "nothing was said")
    kept = sum(each.text == "x" * 99 for each in printer.lines)
    assert BYTES_PER_SECOND // len(line) <= kept < written // 2


def test_a_line_without_an_end_is_cut(printer: Printer) -> None:
    printer.print(b"y" * (LONGEST_LINE * 5) + b"\nafter\n")
    texts = printer.texts(2)
    assert texts[0] == "y" * LONGEST_LINE + " … (line truncated)"
    assert texts[-1] == "after"


def test_control_characters_do_not_reach_a_terminal(printer: Printer) -> None:
    printer.print(b"\x1b[2Jgone\r\n")
    assert printer.texts(1) == ["�[2Jgone"]


def test_secrets_are_taken_out_however_they_are_spelt() -> None:
    secret = 'p"a\\ss\nword'
    printer = Printer(redactable([secret]))
    printer.print(f"{secret!r} and {secret}\nkey=word\n".encode())
    joined = "\n".join(printer.texts(3))
    printer.close()
    assert "word" not in joined
    assert 'p"a' not in joined
    assert joined.count("[REDACTED]") >= 3


def test_what_was_logged_is_a_record_and_lines_without_secrets() -> None:
    printer = Printer(redactable(["s3cret"]))
    attributes = {STACK_TRACE: "Traceback\n  s3cret"}
    record = {"at_s": 5.0, "severity": "ERROR", "logger": "root", "body": "the key is s3cret", "attributes": attributes}
    printer.print(f"{MARK}{json.dumps(record)}\n".encode())
    assert printer.texts(3) == [f"ERROR:root:the key is {REDACTED}", "Traceback", f"  {REDACTED}"]
    first, *others = [line.record for line in printer.lines]
    assert first == LogRecord(5.0, "ERROR", "root", f"the key is {REDACTED}", {STACK_TRACE: f"Traceback\n  {REDACTED}"})
    assert others == [None, None]
    printer.close()
