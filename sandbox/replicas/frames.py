"""The pipe between a replica's worker and its jailed runner: length-prefixed frames, JSON and raw arrays.

The runner holds a learner's model and is not trusted: what comes back is JSON under a byte cap, never a pickle.
"""

import os
import select
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

MAX_FRAME_BYTES = 64 * 1024 * 1024
_LENGTH = struct.Struct("!I")


class RunnerGoneError(Exception):
    """The other end of the pipe closed: the runner died."""


class RunnerTimeoutError(Exception):
    """The runner did not answer before the deadline."""


def write_frame(descriptor: int, *parts: bytes) -> None:
    """Write the parts as one frame; RunnerGoneError when nobody reads any more."""
    data = memoryview(b"".join((_LENGTH.pack(sum(map(len, parts))), *parts)))
    try:
        while data:
            data = data[os.write(descriptor, data) :]
    except BrokenPipeError:
        raise RunnerGoneError from None


def write_frame_by(descriptor: int, deadline_s: float, *parts: bytes) -> None:
    """As `write_frame`, on a descriptor that does not block; RunnerTimeoutError when the other end does not read in time."""
    data = memoryview(b"".join((_LENGTH.pack(sum(map(len, parts))), *parts)))
    try:
        while data:
            if not select.select([], [descriptor], [], max(0.0, deadline_s - time.monotonic()))[1]:
                raise RunnerTimeoutError
            data = data[os.write(descriptor, data) :]
    except BrokenPipeError:
        raise RunnerGoneError from None


def read_frame(descriptor: int, deadline_s: float | None = None) -> bytes:
    """One frame; `deadline_s` is on time.monotonic()'s clock."""
    length = _LENGTH.unpack(_read_exactly(descriptor, _LENGTH.size, deadline_s))[0]
    if length > MAX_FRAME_BYTES:
        raise RunnerGoneError(f"a frame of {length} bytes is over the limit of {MAX_FRAME_BYTES}")
    return _read_exactly(descriptor, length, deadline_s)


def _read_exactly(descriptor: int, count: int, deadline_s: float | None) -> bytes:
    chunks: list[bytes] = []
    while count:
        if deadline_s is not None and not select.select([descriptor], [], [], max(0.0, deadline_s - time.monotonic()))[0]:
            raise RunnerTimeoutError
        chunk = os.read(descriptor, min(count, 1 << 20))
        if not chunk:
            raise RunnerGoneError
        chunks.append(chunk)
        count -= len(chunk)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def encode_arrays(arrays: Sequence[np.ndarray[Any, Any]]) -> tuple[bytes, ...]:
    """Arrays as frame parts: a JSON header line, then each array raw; strings travel in the header."""
    header = []
    raw = []
    for array in arrays:
        if array.dtype == object:
            header.append({"dtype": "str", "shape": array.shape, "values": array.ravel().tolist()})
        else:
            header.append({"dtype": array.dtype.str, "shape": array.shape})
            raw.append(np.ascontiguousarray(array).tobytes())
    head = orjson.dumps(header)
    return (_LENGTH.pack(len(head)), head, *raw)


@dataclass(frozen=True)
class RawBody:
    """A request's body as it came, for the runner to read."""

    content: bytes
    content_type: str


def encode_body(body: RawBody) -> tuple[bytes, ...]:
    """One body as frame parts: its content type in the header, then the body."""
    head = orjson.dumps({"content_type": body.content_type})
    return (_LENGTH.pack(len(head)), head, body.content)


def decode_request(frame: bytes) -> "list[np.ndarray[Any, Any]] | RawBody":
    """The inverse of `encode_arrays` and of `encode_body`."""
    start = _LENGTH.size
    if frame[start : start + 1] != b"{":
        return decode_arrays(frame)
    offset = start + _LENGTH.unpack_from(frame)[0]
    return RawBody(frame[offset:], orjson.loads(frame[start:offset])["content_type"])


def decode_arrays(frame: bytes) -> list[np.ndarray[Any, Any]]:
    """The inverse of `encode_arrays`."""
    offset = _LENGTH.size + _LENGTH.unpack_from(frame)[0]
    arrays: list[np.ndarray[Any, Any]] = []
    for item in orjson.loads(frame[_LENGTH.size : offset]):
        shape = tuple(item["shape"])
        if item["dtype"] == "str":
            arrays.append(np.array(item["values"], dtype=object).reshape(shape))
        else:
            dtype = np.dtype(item["dtype"])
            count = int(np.prod(shape))
            arrays.append(np.frombuffer(frame, dtype=dtype, count=count, offset=offset).reshape(shape))
            offset += count * dtype.itemsize
    return arrays
