"""A job that reads the file its payload names."""

from pathlib import Path

PRELOAD: tuple[str, ...] = ()


def run(payload: bytes) -> bytes:
    return Path(payload.decode()).read_bytes()
