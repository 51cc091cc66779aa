"""A scratch folder for one jailed process: a small file system in memory that nobody else sees and that ends with the process.

Space and number of files are limited by the mount itself, because no resource limit bounds files. So there is a scratch folder
only where a process may have mounts of its own: as root, or in a user namespace where the kernel lets everybody have one.
"""

import ctypes
import os

SIZE_BYTES = 64 * 1024 * 1024
FILES = 2_000

_CLONE_NEWNS, _CLONE_NEWUSER = 0x00020000, 0x10000000
_MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_REC, _MS_PRIVATE = 2, 4, 8, 16384, 1 << 18


def mount_scratch(libc: ctypes.CDLL, place: str) -> bool:
    """Mount the folder at `place`, an empty folder, for this process alone; whether that was possible."""
    if not _own_mounts(libc):
        return False
    if libc.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None) != 0:
        return False
    options = f"size={SIZE_BYTES},nr_inodes={FILES},mode=1777".encode()
    flags = _MS_NOSUID | _MS_NODEV | _MS_NOEXEC
    return bool(libc.mount(b"scratch", place.encode(), b"tmpfs", flags, options) == 0)


def _own_mounts(libc: ctypes.CDLL) -> bool:
    """Leave the machine's view of mounts; as root directly, else in a user namespace that knows only this user."""
    if os.geteuid() == 0:
        return bool(libc.unshare(_CLONE_NEWNS) == 0)
    uid, gid = os.getuid(), os.getgid()
    if libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNS) != 0:
        return False
    try:
        for name, content in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
            with open(f"/proc/self/{name}", "w") as file:
                file.write(content)
    except OSError:
        return False
    return True
