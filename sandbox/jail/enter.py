"""Confine the calling process for good: what comes after this call may be hostile.

Only the standard library is used. The process must have a single thread; it may have been started for a job
(`sandbox.jail.child`) or forked from a process that had everything imported (a model runner). A forked process keeps the
memory of its parent, so fork from one that never held a secret.
"""

import contextlib
import ctypes
import os
import resource
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sandbox.jail.devices import NONE as NO_DEVICE
from sandbox.jail.devices import DeviceFiles
from sandbox.jail.errors import JailRefused
from sandbox.jail.landlock import GUARDS_TRUNCATION, landlock_version, restrict_files
from sandbox.jail.limits import Limits
from sandbox.jail.paths import MACHINE_DESCRIPTION, code_paths, is_code_world_readable
from sandbox.jail.scratch import SIZE_BYTES, mount_scratch
from sandbox.jail.seccomp import filter_system_calls

NOBODY = 65534

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS, _PR_CAPBSET_DROP, _PR_CAP_AMBIENT = 1, 38, 24, 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4
_SIGKILL = 9
_USUAL_PID_MAX = 32_768
_CAPABILITY_VERSION_3 = 0x20080522
_CLONE_NEWUTS, _CLONE_NEWIPC, _CLONE_NEWNET = 0x04000000, 0x08000000, 0x40000000

_KEPT_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "LANG", "PATH", "HOME", "TZ")


@dataclass(frozen=True)
class Confinement:
    """What holds the process now."""

    landlock_version: int
    uid: int
    own_network: bool
    """The process has a network of its own with nothing in it (it cannot open a socket in either case)."""
    has_scratch: bool = False
    """The process may write files beneath the scratch folder that was asked for."""


def enter_jail(
    limits: Limits,
    readable: Sequence[str] = (),
    *,
    apply_cpu: bool = True,
    keep_fds: Iterable[int] = (),
    scratch: str = "",
    programs: Sequence[str] = (),
    devices: DeviceFiles = NO_DEVICE,
) -> Confinement:
    """Confine this process: from here on it reads code and `readable`, computes, and talks through `keep_fds`.

    `readable`: files or folders, besides the interpreter, the installed packages and the `sandbox` package.
    `apply_cpu`: False for a process that lives on (a model runner); its requests need a deadline by kill instead.
    `scratch`: an empty folder that becomes a small writable one for this process alone, where the machine allows for that.
    `programs`: files that the process may become by execve; what runs then is as confined as the process was.
    `devices`: of the CUDA device that the process computes on. Such a process has no limit on its address space, because the
    driver maps all memory of the machine's devices: its memory has to be watched from outside.
    `keep_fds`: the only descriptors that stay open; standard input, output and error that are not among them lead nowhere.
    Raises JailRefused, in which case the caller must not go on.
    """
    _require_one_thread()
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    kept = _keep_only(keep_fds)
    os.chdir("/")
    os.umask(0o077)
    _forget_environment()
    own_network = _leave_namespaces(libc)
    has_scratch = bool(scratch) and landlock_version(libc) >= GUARDS_TRUNCATION and mount_scratch(libc, scratch)
    _apply_limits(limits, apply_cpu, kept, file_bytes=SIZE_BYTES if has_scratch else 0, has_device=bool(devices.nodes))
    _drop_privileges(libc)
    _prctl(libc, _PR_SET_PDEATHSIG, _SIGKILL)  # after the change of user, which clears it
    _prctl(libc, _PR_SET_NO_NEW_PRIVS, 1)
    readable = [*code_paths(), *MACHINE_DESCRIPTION, *devices.readable, *readable]
    version = restrict_files(libc, readable, [scratch] if has_scratch else [], programs, devices.nodes)
    filter_system_calls(libc, may_write=has_scratch, may_execute=bool(programs), has_device=bool(devices.nodes))
    return Confinement(landlock_version=version, uid=os.geteuid(), own_network=own_network, has_scratch=has_scratch)


def use_scratch(scratch: str) -> None:
    """Have temporary files and the home folder of this process in its scratch folder."""
    os.environ["TMPDIR"] = os.environ["HOME"] = scratch
    tempfile.tempdir = None  # it may have been looked up before


def address_space_bytes() -> int:
    """What this process maps now; a forked runner adds its own share to that for `Limits.address_space_bytes`."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


def _require_one_thread() -> None:
    if not sys.platform.startswith("linux"):
        raise JailRefused(f"The jail needs Linux; this is {sys.platform}.")
    threads = len(os.listdir("/proc/self/task"))
    if threads != 1:
        raise JailRefused(
            f"The process has {threads} threads; only the calling one would be confined. "
            "Enter the jail before anything starts a thread (OMP_NUM_THREADS=1 and OPENBLAS_NUM_THREADS=1 help)."
        )


def _keep_only(keep_fds: Iterable[int]) -> set[int]:
    """Close every other descriptor; lead the standard ones that are not kept to the null device."""
    kept = set(keep_fds)
    null = os.open(os.devnull, os.O_RDWR)
    for standard in {0, 1, 2} - kept:
        os.dup2(null, standard)
    lowest = 3
    for descriptor in sorted(d for d in kept if d > 2):
        os.closerange(lowest, descriptor)
        lowest = descriptor + 1
    os.closerange(lowest, _highest_descriptor() + 1)
    return kept


def _highest_descriptor() -> int:
    return max((int(name) for name in os.listdir("/proc/self/fd")), default=3)


def _forget_environment() -> None:
    """Empty the environment and overwrite the memory it was handed over in (/proc/self/environ shows that)."""
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    with open("/proc/self/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    start, end = int(fields[47]), int(fields[48])  # env_start and env_end, fields 50 and 51 of proc(5)
    os.environ.clear()
    if 0 < start < end:
        ctypes.memset(start, 0, end - start)
    os.environ.update(kept)


def _leave_namespaces(libc: ctypes.CDLL) -> bool:
    """Where the process may (as root), give it an empty network and its own shared memory; never required."""
    return bool(libc.unshare(_CLONE_NEWNET | _CLONE_NEWIPC | _CLONE_NEWUTS) == 0)


def _apply_limits(limits: Limits, apply_cpu: bool, kept: set[int], file_bytes: int, *, has_device: bool) -> None:
    wanted = {
        resource.RLIMIT_AS: resource.RLIM_INFINITY if has_device else limits.address_space_bytes,
        resource.RLIMIT_FSIZE: file_bytes,
        # the limit is about numbers, not about how many are open
        resource.RLIMIT_NOFILE: max([limits.open_files, *(fd + 8 for fd in kept)]),
        resource.RLIMIT_NPROC: most_tasks(),
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_MSGQUEUE: 0,
    }
    for kind, value in wanted.items():
        hard = resource.getrlimit(kind)[1]
        if hard != resource.RLIM_INFINITY:
            value = hard if value == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))
    if apply_cpu:
        # the soft limit says why the process ended, the hard one ends a process that ignores it
        used_s = int(sum(resource.getrusage(resource.RUSAGE_SELF)[:2]))
        resource.setrlimit(resource.RLIMIT_CPU, (used_s + limits.cpu_s, used_s + limits.cpu_s + 1))


def most_tasks() -> int:
    """How many threads and processes this user may have in all: half of what the machine or its container has numbers for.

    Threads are not forbidden, and one process could start tens of thousands. The kernel counts by the real user, and not those of
    root: a jailed process never has root's real user.
    """
    found = [_USUAL_PID_MAX]
    for path in ("/proc/sys/kernel/pid_max", "/proc/sys/kernel/threads-max", "/sys/fs/cgroup/pids.max"):
        with contextlib.suppress(OSError, ValueError), open(path) as file:  # no limit is written as "max"
            found.append(int(file.read()))
    return min(found) // 2


def _drop_privileges(libc: ctypes.CDLL) -> None:
    """Become nobody when the code stays readable for nobody; else keep the user for reading files, and be nobody in what the
    kernel counts. Give up every capability either way.
    """
    is_root = os.geteuid() == 0
    _clear_ambient(libc)
    if is_root:
        _clear_bounding_set(libc)
        if is_code_world_readable():
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
        else:
            os.setresuid(NOBODY, 0, 0)
    _clear_capabilities(libc)
    if is_root and os.geteuid() == NOBODY:
        try:
            os.setuid(0)
        except PermissionError:
            return
        raise JailRefused("The process could become root again after giving up its user.")


def _clear_ambient(libc: ctypes.CDLL) -> None:
    libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)


def _clear_bounding_set(libc: ctypes.CDLL) -> None:
    for capability in range(64):
        if libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
            return  # beyond the last one, or not ours to drop; no_new_privs and the filter stand behind it


def _clear_capabilities(libc: ctypes.CDLL) -> None:
    """Empty the permitted, effective and inheritable sets."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    if libc.capset(header, nothing) != 0:
        raise JailRefused(f"capset: {os.strerror(ctypes.get_errno())}. The process could not give up its capabilities.")


def _prctl(libc: ctypes.CDLL, option: int, value: int) -> None:
    if libc.prctl(option, value, 0, 0, 0) != 0:
        raise JailRefused(f"prctl {option}: {os.strerror(ctypes.get_errno())}. The process cannot be confined.")
