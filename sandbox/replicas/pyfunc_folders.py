"""Where packed models lie unpacked while they are served: a folder of this process, readable for a jailed child of it.

A jailed process runs as nobody where that is possible, and nobody cannot enter the site's own folders. So the folder lies
with the machine's temporary files; only its owner and nobody get into it, and of the children each only into its own
model (`sandbox.jail.landlock`). A kernel lock tells a folder in use from one that a killed process left behind.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from sandbox.builds.pyfunc_package import PackageError, unpack
from sandbox.jail.enter import NOBODY
from sandbox.jail.paths import is_code_world_readable

_PREFIX = "served-models-"


class ModelFolders:
    """Unpacked models by the SHA-256 of their package."""

    def __init__(self, root: Path, lock: int) -> None:
        """Both made by `open_root`."""
        self.root = root
        self._lock = lock
        self.scratch = root / "scratch"
        """Where a jailed process gets its scratch space, if the machine allows for one; empty for everybody else."""

    def place(self, sha256: str) -> Path:
        return self.root / sha256

    def put(self, package: Path, sha256: str) -> Path:
        """The folder of the unpacked model; several processes may ask for the same one at once. Raises PackageError, OSError."""
        place = self.place(sha256)
        if place.is_dir():
            return place
        with package.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
                raise PackageError("The packed model does not have the SHA-256 that was recorded when it was built.")
        unfinished = Path(tempfile.mkdtemp(dir=self.root, prefix=".incoming-"))
        try:
            unpack(package, unfinished)
            _hand_over(unfinished)
            with contextlib.suppress(OSError):  # somebody else was first: theirs is the same
                os.rename(unfinished, place)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
        return place

    def drop(self, sha256: str) -> None:
        """Forget a model that no process uses any more."""
        shutil.rmtree(self.place(sha256), ignore_errors=True)

    def close(self) -> None:
        """Remove everything."""
        shutil.rmtree(self.root, ignore_errors=True)
        os.close(self._lock)


def open_root() -> ModelFolders:
    """A root that lives as long as this process and those forked from it; what dead ones left behind is removed."""
    base = Path(tempfile.gettempdir())
    for left_over in base.glob(_PREFIX + "*"):
        _remove_if_dead(left_over)
    unlocked = Path(tempfile.mkdtemp(dir=base, prefix="." + _PREFIX))  # under a name that nobody takes for a left-over
    lock = _lock(unlocked)
    (unlocked / "scratch").mkdir(mode=0o555)
    unlocked.chmod(0o711)
    root = base / unlocked.name.removeprefix(".")
    unlocked.rename(root)
    return ModelFolders(root, lock)


def _remove_if_dead(root: Path) -> None:
    with contextlib.suppress(OSError):
        if root.is_symlink() or root.stat().st_uid != os.getuid():
            return
        os.close(_lock(root))
        shutil.rmtree(root, ignore_errors=True)


def _lock(root: Path) -> int:
    """Take the lock of the folder; raises OSError when another process has it."""
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _hand_over(folder: Path) -> None:
    """Make the tree readable for the user that a jailed process has, and for nobody else."""
    gives_up_user = os.geteuid() == 0 and is_code_world_readable()
    for parent, _, names in os.walk(folder, topdown=False):
        for path, mode in [*((Path(parent) / name, 0o400) for name in names), (Path(parent), 0o500)]:
            path.chmod(mode)
            if gives_up_user:
                os.chown(path, NOBODY, NOBODY)
