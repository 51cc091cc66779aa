"""Read typed values from the environment."""

import contextlib
import os
import secrets
from pathlib import Path

_DATA_DIR_HELP = "Set DATA_DIR to a directory that you may write to, on a disk with room."


def env_str(name: str, default: str) -> str:
    """The variable, or `default` when it is unset or empty."""
    return os.environ.get(name) or default


def env_int(name: str, default: int) -> int:
    """The variable as an integer; a value that is none stops the start with a sentence."""
    value = os.environ.get(name)
    if not value:
        return default
    try:
        return int(value)
    except ValueError:
        raise SystemExit(f"{name} must be a whole number, not {value!r}.") from None


def env_bool(name: str, default: bool) -> bool:
    """1, true, yes and on are true; 0, false, no and off are false."""
    value = os.environ.get(name, "").strip().lower()
    if not value:
        return default
    if value in {"1", "true", "yes", "on"}:
        return True
    if value in {"0", "false", "no", "off"}:
        return False
    raise SystemExit(f"{name} must be true or false, not {value!r}.")


def kept_secret(path: Path, length: int = 50) -> str:
    """A random secret made on first use and kept in `path` with mode 0600."""
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        return _make_secret(path, secrets.token_urlsafe(length))
    except OSError as error:
        raise SystemExit(f"{path} cannot be read: {error.strerror}. {_DATA_DIR_HELP}") from None


def _make_secret(path: Path, secret: str) -> str:
    """Written beside its place and linked into it, so that nobody ever reads half of it and the first writer wins."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(secret)
        with contextlib.suppress(FileExistsError):  # another process made it a moment ago
            path.hardlink_to(draft)
        draft.unlink()
        return path.read_text().strip()
    except OSError as error:
        raise SystemExit(f"{path} cannot be written: {error.strerror}. {_DATA_DIR_HELP}") from None
