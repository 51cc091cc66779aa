"""The smallest job: it returns its payload."""

PRELOAD: tuple[str, ...] = ()


def run(payload: bytes) -> bytes:
    return payload
