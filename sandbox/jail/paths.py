"""What a jailed process may read: program code and the machine's description, nothing of the site's data."""

import os
import stat
import sys
import sysconfig
from pathlib import Path

PACKAGE_DIR = Path(__file__).resolve().parents[1]
"""The `sandbox` package: the jobs' own code."""

SYSTEM_LIBRARIES = ("/usr/lib", "/usr/lib64", "/usr/local/lib", "/lib", "/lib64", "/etc/ld.so.cache", "/usr/share/zoneinfo")
"""Shared libraries that a module loads late."""

MACHINE_DESCRIPTION = (
    "/proc/self",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/sys/vm/overcommit_memory",
    "/dev/null",
    "/dev/zero",
    "/dev/urandom",
    "/sys/devices/system/cpu",
    "/sys/devices/system/node",
    # DuckDB crashes when its CPU quota exists but cannot be opened
    "/sys/fs/cgroup",
)


def interpreter_paths() -> list[str]:
    """Where this interpreter and its installed packages lie, symbolic links resolved, none beneath another."""
    found = (sys.prefix, sys.base_prefix, *map(sysconfig.get_path, ("stdlib", "purelib", "platlib")))
    resolved = sorted({os.path.realpath(path) for path in found})
    return [p for p in resolved if not any(p != other and p.startswith(other + os.sep) for other in resolved)]


def code_paths() -> list[str]:
    """Every path that code may be loaded from inside the jail."""
    return [*interpreter_paths(), str(PACKAGE_DIR), *SYSTEM_LIBRARIES]


def is_world_readable(path: str) -> bool:
    """Whether every user may reach and read the path."""
    mode = os.stat(path).st_mode
    if not mode & stat.S_IROTH:
        return False
    return all(os.stat(parent).st_mode & stat.S_IXOTH for parent in (Path(path), *Path(path).parents) if parent.is_dir())


def is_code_world_readable() -> bool:
    """Whether the jailed process could still import after giving up its user: an interpreter in a private home cannot."""
    return all(is_world_readable(path) for path in (*interpreter_paths(), str(PACKAGE_DIR)))
