"""What jailed runners print, carried line by line into the entity's service log: bounded, late at most by a fraction of a second.

One thread for each replica reads the outputs of its runners. A model that floods is slowed down by its full pipe, and what
is over the rate is dropped with a line that says how much.
"""

import json
import logging
import os
import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from sandbox.replicas import model_logging
from sandbox.service_logs import LogLine

logger = logging.getLogger(__name__)
BYTES_PER_SECOND = 64 * 1024
"""Kept of a replica's output."""
LONGEST_LINE = 4_000
REDACTED = "[REDACTED]"
_TOGETHER_S = 0.1
"""Lines wait for others this long before they are handed on."""
_PAUSE_S = 0.004
"""After a pipe was full: whoever prints without end gets rid of 16 MB a second, and leaves time for others."""
_READ_BYTES = 64 * 1024
_SHORTEST_SECRET = 4
"""Shorter values would tear holes into every line."""


@dataclass
class _Source:
    """One runner's output."""

    descriptor: int
    unfinished: bytes = b""


@dataclass
class OutputPump:
    """Reads the outputs that `add` names until the process ends."""

    replica_id: str
    write: Callable[[list[LogLine]], None]
    """Takes the lines, for example into Redis; what it raises is logged, and its lines are lost."""
    secrets: tuple[str, ...] = ()
    """Values that never show in a line."""
    _allowance: float = BYTES_PER_SECOND
    _filled_s: float = field(default_factory=time.monotonic)
    _dropped: int = 0
    _lines: list[LogLine] = field(default_factory=list)
    _due_s: float = 0.0
    _selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    _wake: tuple[socket.socket, socket.socket] = field(default_factory=socket.socketpair)
    _thread: threading.Thread | None = None

    def add(self, descriptor: int) -> None:
        """Read this output from now on, and close it at its end. From any thread."""
        if self._thread is None:
            self._selector.register(self._wake[0], selectors.EVENT_READ)
            self._thread = threading.Thread(target=self._run, daemon=True, name="output")
            self._thread.start()
        self._wake[1].send(descriptor.to_bytes(4, "big"))

    def _run(self) -> None:
        while True:
            is_holding = bool(self._lines or self._dropped)
            wait_s = max(0.0, self._due_s - time.monotonic()) if is_holding else None
            for key, _ in self._selector.select(wait_s):
                if key.fileobj is self._wake[0]:
                    self._register(self._wake[0].recv(4096))
                else:
                    self._read(key.data)
            if not is_holding:
                self._due_s = time.monotonic() + _TOGETHER_S
            elif time.monotonic() >= self._due_s:
                self._hand_on()

    def _register(self, announced: bytes) -> None:
        for start in range(0, len(announced), 4):
            descriptor = int.from_bytes(announced[start : start + 4], "big")
            self._selector.register(descriptor, selectors.EVENT_READ, _Source(descriptor))

    def _read(self, source: _Source) -> None:
        received = os.read(source.descriptor, _READ_BYTES)
        if not received:
            self._selector.unregister(source.descriptor)
            os.close(source.descriptor)
            if source.unfinished:
                self._keep([source.unfinished])
            return
        *whole, unfinished = (source.unfinished + received).split(b"\n")
        if len(unfinished) > LONGEST_LINE * 4:
            whole, unfinished = [*whole, unfinished], b""
        source.unfinished = unfinished
        self._keep(whole)
        if len(received) == _READ_BYTES:
            time.sleep(_PAUSE_S)

    def _keep(self, raw: Iterable[bytes]) -> None:
        """The lines that the rate allows; the others are counted."""
        now_s = time.time()
        for each in raw:
            if self._may_keep(len(each) + 1):
                self._lines += self._as_lines(now_s, each.decode("utf-8", "replace"))
            else:
                self._dropped += len(each) + 1

    def _as_lines(self, now_s: float, text: str) -> list[LogLine]:
        """One line; of a record with a stack trace that as well."""
        record = model_logging.read(text)
        if record is None:
            return [LogLine(now_s, self.replica_id, self.clean(text))]
        attributes = {name: self._redacted(value) for name, value in record.attributes.items()}
        record = replace(record, body=self._redacted(record.body), attributes=attributes)
        trace = attributes.get(model_logging.STACK_TRACE, "").splitlines()
        texts = map(self.clean, [f"{record.severity}:{record.logger}:{record.body}", *trace])
        return [LogLine(now_s, self.replica_id, line, None if at else record) for at, line in enumerate(texts)]

    def _may_keep(self, size: int) -> bool:
        now = time.monotonic()
        self._allowance = min(BYTES_PER_SECOND, self._allowance + (now - self._filled_s) * BYTES_PER_SECOND)
        self._filled_s = now
        if size > self._allowance:
            return False
        self._allowance -= size
        return True

    def clean(self, text: str) -> str:
        """The text without secrets and control characters, cut."""
        text = self._redacted(text)
        text = "".join(each if each.isprintable() or each == "\t" else "�" for each in text[: LONGEST_LINE + 1].rstrip("\r"))
        return text if len(text) <= LONGEST_LINE else text[:LONGEST_LINE] + " … (line truncated)"

    def _redacted(self, text: str) -> str:
        for secret in self.secrets:
            text = text.replace(secret, REDACTED)
        return text

    def _hand_on(self) -> None:
        lines, self._lines = self._lines, []
        if self._dropped:
            note = f"… (output truncated: {self._dropped} bytes over {BYTES_PER_SECOND} bytes per second were dropped)"
            lines.append(LogLine(time.time(), self.replica_id, note))
            self._dropped = 0
        try:
            self.write(lines)
        except Exception as error:  # Redis is away: service logs are ephemeral
            logger.warning("%d lines of output lost: %s", len(lines), error)


def redactable(values: Iterable[str]) -> tuple[str, ...]:
    """The secrets as they could show in a line or a JSON text, the longest first."""
    found: set[str] = set()
    for value in values:
        for part in (value, *value.splitlines()):
            found |= {part, json.dumps(part)[1:-1], repr(part)[1:-1]}
    return tuple(sorted((each for each in found if len(each) >= _SHORTEST_SECRET), key=len, reverse=True))
