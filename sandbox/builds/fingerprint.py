"""What a build depends on, as one number: equal fingerprints are built into equal files."""

import hashlib
import platform
import sysconfig
from functools import cache
from pathlib import Path

from sandbox.builds.pyfunc_package import PackageError, pack
from sandbox.jail.paths import PACKAGE_DIR

_CODE = ("builds", "jail", "replicas")
"""Packages whose code a build runs."""


def fingerprint(model_dir: Path) -> str:
    """SHA-256 of the model's files with their names, of the code that builds them, and of the versions of what is installed.

    Empty for a folder that cannot be packed.
    """
    digest = hashlib.sha256(_tools())
    try:
        for piece in pack(model_dir):
            digest.update(piece)
    except (PackageError, OSError):
        return ""
    return digest.hexdigest()


@cache
def _tools() -> bytes:
    """A digest of what this process builds with; it does not change while the process lives."""
    digest = hashlib.sha256(f"{platform.python_version()} {platform.machine()}\n".encode())
    folders = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    for name in sorted(path.name for folder in folders for path in Path(folder).glob("*.dist-info")):
        digest.update(f"{name}\n".encode())
    for path in sorted(path for package in _CODE for path in (PACKAGE_DIR / package).rglob("*.py")):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(PACKAGE_DIR)} {len(content)}\n".encode() + content)
    return digest.digest()
