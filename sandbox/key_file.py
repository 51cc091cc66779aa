"""The file of keys that secrets are encrypted with. No Django: nodes read the environment variables of models with it."""

import os
import tempfile
from functools import cache
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

NAME = "fernet_keys"
"""In the directory of secrets. One Fernet key a line, the newest first; add a line on top to rotate, and restart."""


class UnreadableError(ValueError):
    """No key in the file fits the ciphertext."""


def decrypt(path: Path, ciphertext: str) -> str:
    """The plain value. Raises UnreadableError."""
    try:
        return keys(path).decrypt(ciphertext.encode()).decode()
    except InvalidToken:
        raise UnreadableError(f"A stored secret cannot be read with the keys in {path.name}.") from None


@cache
def keys(path: Path) -> MultiFernet:
    """The keys in the file, which is made when it is not there."""
    if not path.exists():
        _make(path)
    return MultiFernet([Fernet(line.strip()) for line in path.read_text().splitlines() if line.strip()])


def _make(path: Path) -> None:
    """Appears whole or not at all, and only once when several processes start together."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor, written = tempfile.mkstemp(dir=path.parent)  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(Fernet.generate_key() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(written, path)
    except FileExistsError:  # another process was first: its key is the key
        pass
    finally:
        os.unlink(written)
