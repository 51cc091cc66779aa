"""The learner's path from her own machine, by a script that uses only the official clients."""

import subprocess
import sys
from pathlib import Path

from tests.stack import Stack

SCRIPT = Path(__file__).resolve().parents[1] / "learner_path.py"


def test_the_whole_path(stack: Stack, learner_token: str) -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--host", stack.url, "--token", learner_token],
        env=stack.environment(), capture_output=True, text=True, timeout=280,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    lines = done.stdout.splitlines()
    assert "every prediction equal to the model's own" in done.stdout
    assert lines[-1] == "the learner's path is complete"
