"""Entering the jail from a process of one's own: descriptors, threads, what still works inside."""

import subprocess
import sys
import textwrap
from pathlib import Path

from sandbox.jail.enter import most_tasks
from sandbox.jail.paths import is_world_readable


def in_new_process(body: str) -> str:
    """Run the body in a fresh interpreter; `say(text)` is the only way out."""
    program = textwrap.dedent(
        """
        import os, sys
        from sandbox.jail.enter import address_space_bytes, enter_jail
        from sandbox.jail.errors import JailRefused
        from sandbox.jail.limits import GIB, Limits
        limits = Limits(cpu_s=5, wall_s=5, address_space_bytes=2 * GIB)
        say = lambda text: os.write(1, str(text).encode())
        """
    ) + textwrap.dedent(body)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_only_the_kept_descriptors_stay_open() -> None:
    said = in_new_process(
        """
        low, high = os.open("/dev/null", os.O_RDONLY), os.dup2(1, 500)
        enter_jail(limits, keep_fds=(1, high))
        os.write(500, b"kept ")
        try:
            os.fstat(low)
        except OSError:
            say("closed ")
        say(os.read(0, 10))
        """
    )
    assert said == "kept closed b''"


def test_a_process_with_threads_is_refused() -> None:
    said = in_new_process(
        """
        import threading
        threading.Thread(target=threading.Event().wait, daemon=True).start()
        try:
            enter_jail(limits, keep_fds=(1, 2))
        except JailRefused as refusal:
            say(refusal)
        os._exit(0)
        """
    )
    assert said.startswith("The process has 2 threads; only the calling one would be confined.")


def test_numbers_threads_and_late_imports_work_inside() -> None:
    said = in_new_process(
        """
        os.environ["OPENBLAS_NUM_THREADS"] = "1"
        import numpy as np
        held = enter_jail(limits, keep_fds=(1, 2))
        import colorsys, decimal, threading, zoneinfo
        results = []
        worker = threading.Thread(target=lambda: results.append(float(np.linalg.inv(np.eye(3) * 2)[0, 0])))
        worker.start(); worker.join()
        say((results, held.landlock_version >= 1, zoneinfo.ZoneInfo("Europe/Berlin").key))
        """
    )
    assert said == "([0.5], True, 'Europe/Berlin')"


def test_a_forked_process_can_live_on_without_a_limit_on_its_processor_time() -> None:
    said = in_new_process(
        """
        import resource
        enter_jail(limits, apply_cpu=False, keep_fds=(1, 2))
        say((resource.getrlimit(resource.RLIMIT_CPU)[0] == resource.RLIM_INFINITY, resource.getrlimit(resource.RLIMIT_FSIZE)))
        """
    )
    assert said == "(True, (0, 0))"


def test_its_user_may_have_half_of_the_machines_threads() -> None:
    said = in_new_process(
        """
        import resource
        enter_jail(limits, keep_fds=(1, 2))
        say(resource.getrlimit(resource.RLIMIT_NPROC))
        """
    )
    pid_max = int(Path("/proc/sys/kernel/pid_max").read_text())
    soft, hard = map(int, said.strip("()").split(", "))
    assert soft == hard == most_tasks()
    assert 0 < soft <= pid_max // 2


def test_the_address_space_is_counted_in_bytes() -> None:
    before, after = (
        in_new_process(
            """
        before = address_space_bytes()
        block = bytearray(256 * 1024 * 1024)
        say((before, address_space_bytes()))
        """
        )
        .strip("()")
        .split(", ")
    )
    assert 200 * 1024**2 < int(after) - int(before) < 400 * 1024**2


def test_a_private_folder_hides_what_lies_in_it(tmp_path: Path) -> None:
    inner = tmp_path / "private" / "file"
    inner.parent.mkdir(mode=0o700)
    inner.touch(0o644)
    assert not is_world_readable(str(inner))
    assert is_world_readable("/usr/lib")


def test_without_landlock_nothing_is_entered_and_nothing_is_run() -> None:
    """A filter answers Landlock's calls with "no such call", as an old kernel or a strict container does."""
    said = in_new_process(
        """
        import ctypes, errno, struct
        from sandbox.jail.launch import run_jailed, tier
        from sandbox.jail.seccomp import _Program

        instructions = [(0x20, 0, 0, 0), (0x15, 0, 1, 444), (6, 0, 0, 0x50000 | errno.ENOSYS), (6, 0, 0, 0x7FFF0000)]
        packed = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *each) for each in instructions))
        program = _Program(len(instructions), ctypes.cast(packed, ctypes.c_void_p))
        libc = ctypes.CDLL(None)
        libc.prctl(38, 1, 0, 0, 0)
        assert libc.prctl(22, 2, ctypes.byref(program), 0, 0) == 0
        say(tier() + "|")
        try:
            run_jailed("sandbox.jail.echo", b"", limits=limits)
        except JailRefused as refusal:
            say(str(refusal) + "|")
        try:
            enter_jail(limits, keep_fds=(1, 2))
        except JailRefused as refusal:
            say(refusal)
        os._exit(0)
        """
    )
    found, launched, entered = said.split("|")
    assert found == "none"
    assert launched.startswith("This machine offers no jail")
    assert entered.startswith("This kernel does not offer Landlock.")
