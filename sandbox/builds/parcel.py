"""Several files and a few facts in one run of bytes: what goes into a build job and what comes out of it.

Layout: length of the header (4 bytes, big endian), header as JSON ``{"facts": {…}, "files": [[name, length], …]}``, then the
files one after the other. Both sides treat the other's parcel as untrusted.
"""

import json
import struct
from dataclasses import dataclass, field
from typing import Any

_LENGTH = struct.Struct("!I")
_LONGEST_HEADER = 1024 * 1024


@dataclass(frozen=True)
class Parcel:
    """`facts` is JSON-ready; `files` maps a relative path to its content."""

    facts: dict[str, Any] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)

    def pack(self) -> bytes:
        sizes = [[name, len(content)] for name, content in self.files.items()]
        header = json.dumps({"facts": self.facts, "files": sizes}).encode()
        return b"".join([_LENGTH.pack(len(header)), header, *self.files.values()])


def unpack(data: bytes) -> Parcel:
    """The parcel in `data`. Raises ValueError when it is none."""
    if len(data) < _LENGTH.size:
        raise ValueError("The parcel is cut short.")
    (length,) = _LENGTH.unpack_from(data)
    start = _LENGTH.size + length
    if length > _LONGEST_HEADER or start > len(data):
        raise ValueError("The parcel's header is longer than it may be.")
    header = json.loads(data[_LENGTH.size : start])
    files: dict[str, bytes] = {}
    for name, size in header["files"]:
        if not isinstance(size, int) or not 0 <= size <= len(data) - start:
            raise ValueError("The parcel is cut short.")
        files[str(name)] = data[start : start + size]
        start += size
    return Parcel(facts=dict(header["facts"]), files=files)
