"""Encrypts what must be readable again: secrets and provider keys, with keys that never enter the database."""

from pathlib import Path

from django.conf import settings

from sandbox import key_file
from sandbox.errors import InvalidState


def encrypt(plain: str) -> str:
    """Ciphertext of `plain` under the newest key."""
    return key_file.keys(_path()).encrypt(plain.encode()).decode()


def decrypt(ciphertext: str) -> str:
    """The plain value; raises InvalidState when no key in the file fits."""
    try:
        return key_file.decrypt(_path(), ciphertext)
    except key_file.UnreadableError:
        raise InvalidState("A stored secret cannot be read with the keys in the secrets directory. Store it again.") from None


def _path() -> Path:
    return Path(settings.SECRETS_DIR) / key_file.NAME
