"""A load generator in one process: keep-alive connections that send one row each time and check every answer.

    python benchmarks/load.py --requests requests.json --url http://127.0.0.1:8000/path --concurrency 16 --duration-s 10

`requests.json` is a list of {"body": …, "predictions": [[…], …]}: an answer is right when it equals one of `predictions`
(one list for each model version that may answer). Prints one JSON object. Used for every side of the comparison.
"""

import argparse
import asyncio
import functools
import json
import random
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import orjson
import uvloop

END_OF_HEADERS = b"\r\n\r\n"
LAST_CHUNK = b"\r\n0\r\n\r\n"


@dataclass
class Tally:
    """What all connections have seen since the warm-up."""

    latencies_s: list[float] = field(default_factory=list)
    by_version: dict[int, int] = field(default_factory=dict)
    """position in `predictions` -> how many answers equalled that version's and no other's"""
    wrong: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    """status or reason -> how many requests were not answered 200"""

    def fail(self, reason: str) -> None:
        self.failed[reason] = self.failed.get(reason, 0) + 1


@dataclass(frozen=True)
class Request:
    wire: bytes
    predictions: list[list[Any]]
    answer_path: tuple[int | str, ...] = ("predictions",)
    """Where the predictions stand in an answer."""
    _known: dict[bytes, list[int]] = field(default_factory=dict)

    def matching(self, body: bytes) -> list[int]:
        """Which of `predictions` the body equals; a body that was read before is not read again."""
        if body not in self._known:
            predictions = functools.reduce(lambda found, step: found[step], self.answer_path, orjson.loads(body))
            self._known[body] = [place for place, expected in enumerate(self.predictions) if predictions == expected]
        return self._known[body]


class Connection(asyncio.Protocol):
    """Sends a request, waits for the whole answer, checks it, sends the next."""

    def __init__(self, requests: list[Request], tally: Tally, start: int) -> None:
        self.requests, self.tally, self.place = requests, tally, start
        self.closed = asyncio.get_running_loop().create_future()
        self.stopping = False
        self._buffer = b""
        self._sent_s = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is not a subclass of it
        self._send()

    def _send(self) -> None:
        self.place = (self.place + 1) % len(self.requests)
        self._buffer = b""
        self._sent_s = time.perf_counter()
        self._transport.write(self.requests[self.place].wire)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        answer = read_answer(self._buffer)
        if answer is None:
            return
        self.tally.latencies_s.append(time.perf_counter() - self._sent_s)
        self._check(*answer)
        if self.stopping:
            self._transport.close()
        else:
            self._send()

    def _check(self, status: bytes, body: bytes) -> None:
        if status != b"200":
            self.tally.fail(status.decode())
            return
        matching = self.requests[self.place].matching(body)
        if not matching:
            self.tally.wrong += 1
        elif len(matching) == 1:
            self.tally.by_version[matching[0]] = self.tally.by_version.get(matching[0], 0) + 1

    def connection_lost(self, error: Exception | None) -> None:
        if not self.stopping:
            self.tally.fail("connection lost")
        if not self.closed.done():
            self.closed.set_result(None)


def read_answer(buffer: bytes) -> tuple[bytes, bytes] | None:
    """(status, body) once the answer is complete; with Content-Length or chunked."""
    end = buffer.find(END_OF_HEADERS)
    if end < 0:
        return None
    head, body = buffer[:end].lower(), buffer[end + len(END_OF_HEADERS) :]
    status = head[9:12]
    at = head.find(b"content-length:")
    if at >= 0:
        length = int(head[at + 15 :].split(b"\r\n", 1)[0])
        return (status, body) if len(body) >= length else None
    return (status, _joined_chunks(body)) if body.endswith(LAST_CHUNK) or body == LAST_CHUNK[2:] else None


def _joined_chunks(body: bytes) -> bytes:
    joined = b""
    while body:
        size, _, rest = body.partition(b"\r\n")
        length = int(size, 16)
        joined, body = joined + rest[:length], rest[length + 2 :]
        if length == 0:
            break
    return joined


async def drive(url: str, requests: list[Request], concurrency: int, duration_s: float, warm_up_s: float) -> dict[str, Any]:
    parts = urlsplit(url)
    loop = asyncio.get_running_loop()
    tally = Tally()
    draw = random.Random(concurrency)
    connections = []
    for _ in range(concurrency):
        start = draw.randrange(len(requests))
        made = functools.partial(Connection, requests, tally, start)
        _, connection = await loop.create_connection(made, parts.hostname, parts.port)
        connections.append(connection)
    await asyncio.sleep(warm_up_s)
    measured = Tally()
    for connection in connections:
        connection.tally = measured
    started_s = time.perf_counter()
    await asyncio.sleep(duration_s)
    took_s = time.perf_counter() - started_s
    counted = len(measured.latencies_s)
    result = summary(measured, counted, took_s)
    for connection in connections:
        connection.stopping = True
    await asyncio.wait([connection.closed for connection in connections], timeout=10)
    return result


def summary(tally: Tally, counted: int, took_s: float) -> dict[str, Any]:
    latencies = sorted(tally.latencies_s[:counted])
    return {
        "requests": counted,
        "seconds": round(took_s, 3),
        "requests_per_s": round(counted / took_s, 1),
        "p50_ms": percentile_ms(latencies, 0.50),
        "p99_ms": percentile_ms(latencies, 0.99),
        "max_ms": percentile_ms(latencies, 1.0),
        "wrong": tally.wrong,
        "failed": tally.failed,
        "by_version": [tally.by_version.get(place, 0) for place in range(max(tally.by_version, default=-1) + 1)],
    }


def percentile_ms(ordered_s: list[float], share: float) -> float | None:
    """The smallest latency that `share` of the requests did not exceed; None without requests."""
    if not ordered_s:
        return None
    return round(ordered_s[max(0, -int(-len(ordered_s) * share // 1) - 1)] * 1000, 3)


def read_requests(path: Path, url: str, token: str, answer: str) -> list[Request]:
    steps = tuple(int(step) if step.isdigit() else step for step in answer.split("."))
    parts = urlsplit(url)
    authorization = f"Authorization: Bearer {token}\r\n" if token else ""
    made = []
    for entry in json.loads(path.read_text()):
        body = orjson.dumps(entry["body"])
        head = (
            f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n{authorization}"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        made.append(Request(head.encode() + body, entry["predictions"], steps))
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=Path, required=True)
    parser.add_argument("--url", required=True)
    parser.add_argument("--token", default="")
    parser.add_argument("--answer", default="predictions", help="where the predictions stand in an answer, e.g. outputs.0.data")
    parser.add_argument("--concurrency", type=int, required=True)
    parser.add_argument("--duration-s", type=float, default=10.0)
    parser.add_argument("--warm-up-s", type=float, default=2.0)
    options = parser.parse_args()
    requests = read_requests(options.requests, options.url, options.token, options.answer)
    result = uvloop.run(drive(options.url, requests, options.concurrency, options.duration_s, options.warm_up_s))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
