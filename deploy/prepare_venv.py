"""Make `.venv` and install the pinned packages into it, once for each state of the requirements files.

Standard library only: it runs before anything is installed. `python3.11 deploy/prepare_venv.py [--dev] [--steps N]`.
"""

import argparse
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
RUNTIME = [ROOT / "requirements.txt"]
DEVELOPMENT = [*RUNTIME, ROOT / "requirements-dev.txt"]
NEEDED_BYTES = 4 * 1024**3
"""A new environment takes about 2.5 GB, pip's temporary files included."""


def main() -> None:
    options = _options()
    if sys.version_info[:2] != (3, 11):
        version = sys.version.split()[0]
        raise SystemExit(f"Python 3.11 is needed, this is {version}. Install it, or name it: make PYTHON=/path/to/python3.11")
    with (ROOT / ".venv.lock").open("w") as lock:
        _wait_for(lock.fileno())
        _step(1, options.steps, "Python environment")
        _make_venv()
        _step(2, options.steps, "Packages")
        _install(DEVELOPMENT if options.dev else RUNTIME)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dev", action="store_true", help="install what tests, types and lint need as well")
    parser.add_argument("--steps", type=int, default=2, help="how many steps the caller counts in all")
    return parser.parse_args()


def _step(number: int, steps: int, title: str) -> None:
    print(f"{number}/{steps} {title}", flush=True)


def _wait_for(descriptor: int) -> None:
    """Two `make run` of one checkout take turns; the lock of a killed one is free at once."""
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        print("Another command prepares .venv at the moment; waiting for it.", flush=True)
        fcntl.lockf(descriptor, fcntl.LOCK_EX)


def _make_venv() -> None:
    if _works():
        return
    _check_disk()
    print("    making .venv", flush=True)
    try:
        venv.EnvBuilder(with_pip=True, clear=True).create(VENV)
    except (OSError, subprocess.CalledProcessError) as error:
        raise SystemExit(
            f"Python could not make a virtual environment in .venv ({error}). On Debian and Ubuntu install python3.11-venv."
        ) from None


def _works() -> bool:
    """False when there is no environment, when it was interrupted half made, or when its Python has moved."""
    python = VENV / "bin" / "python"
    if not python.exists():
        return False
    probe = subprocess.run([python, "-c", "import sys, pip; sys.exit(sys.version_info[:2] != (3, 11))"], capture_output=True)
    return probe.returncode == 0


def _check_disk() -> None:
    free = shutil.disk_usage(ROOT).free
    if free < NEEDED_BYTES:
        raise SystemExit(f"The packages need about 4 GB of disk and {free / 1024**3:.1f} GB are free. Make room and start again.")


def _install(files: list[Path]) -> None:
    stamp = VENV / ("installed-dev" if len(files) > 1 else "installed")
    wanted = _digest(files)
    if _stamped(stamp, wanted) or (len(files) == 1 and _stamped(VENV / "installed-dev", _digest(DEVELOPMENT))):
        return
    print("    installing; the first time this downloads about 430 MB and takes one to three minutes", flush=True)
    _pip_install(files[-1])
    stamp.write_text(wanted)


def _digest(files: list[Path]) -> str:
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()


def _stamped(stamp: Path, wanted: str) -> bool:
    return stamp.exists() and stamp.read_text() == wanted


def _pip_install(requirements: Path) -> None:
    """Wheels only: a machine without a compiler gets a sentence, not a page of compiler errors."""
    command = [VENV / "bin" / "python", "-m", "pip", "install", "--only-binary", ":all:", "--progress-bar", "on"]
    command += ["--disable-pip-version-check", "--requirement", requirements]
    environment = {**os.environ, "PIP_NO_INPUT": "1"}
    if subprocess.run(command, cwd=ROOT, env=environment).returncode != 0:
        raise SystemExit(
            f"The packages of {requirements.name} could not be installed; pip's last lines above name the one. "
            "Every package has a ready-made wheel for CPython 3.11 on Linux x86-64 (no compiler is needed there); "
            "on another system, a package without one has to be built by hand first. If the network failed, start again: "
            "what was downloaded is kept."
        )


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        raise SystemExit("\nStopped.") from None
