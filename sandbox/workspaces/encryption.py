"""Encrypts what must be readable again: secrets and provider keys, with keys that never enter the database."""

import os
import tempfile
from functools import cache
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

from sandbox.errors import InvalidState


def encrypt(plain: str) -> str:
    """Ciphertext of `plain` under the newest key."""
    return _keys(_key_file()).encrypt(plain.encode()).decode()


def decrypt(ciphertext: str) -> str:
    """The plain value; raises InvalidState when no key in the file fits."""
    try:
        return _keys(_key_file()).decrypt(ciphertext.encode()).decode()
    except InvalidToken:
        raise InvalidState("A stored secret cannot be read with the keys in the secrets directory. Store it again.") from None


def _key_file() -> Path:
    """One Fernet key a line, the newest first; add a line on top to rotate, and restart."""
    return Path(settings.SECRETS_DIR) / "fernet_keys"


@cache
def _keys(path: Path) -> MultiFernet:
    if not path.exists():
        _make_key_file(path)
    return MultiFernet([Fernet(line.strip()) for line in path.read_text().splitlines() if line.strip()])


def _make_key_file(path: Path) -> None:
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
