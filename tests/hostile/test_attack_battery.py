"""Nothing gets out of the jail: every attack, in every tier, and in a forked model runner."""

import json
import subprocess
import sys

import pytest

from sandbox.jail import attacks, self_test
from sandbox.jail.launch import tier
from sandbox.jail.started import Tier
from sandbox.replicas.pyfunc_folders import open_root

# attacks that would harm the machine, or this test, where nothing stops them
UNSAFE_OUTSIDE = {
    "become another program",
    "change the root",
    "make a user namespace",
    "mount a file system",
    "set the clock",
    "signal everybody",
    "take more memory than allowed",
    "trace the parent",
    "write into /dev/shm",
    "write into /tmp",
    "write beside the scratch folder",
    "run code from the scratch folder",
    "make a device in the scratch folder",
}

CONTROL = """
import json, sys
from sandbox.jail import attacks
print(attacks.run(sys.stdin.buffer.read()).decode())
"""


@pytest.mark.parametrize("in_tier", ["T1", "T2"])
def test_every_attack_is_blocked(in_tier: Tier) -> None:
    if in_tier == "T1" and tier() != "T1":
        pytest.skip("this machine has no working bubblewrap")
    assert self_test.breaches(in_tier) == {}


def test_every_attack_is_blocked_in_a_forked_runner() -> None:
    program = "from sandbox.jail import self_test; import json; print(json.dumps(self_test.breaches_of_fork()))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(done.stdout) == {}


def test_every_attack_is_blocked_in_a_forked_runner_with_a_scratch_folder() -> None:
    folders = open_root()
    try:
        place = str(folders.scratch)
        program = f"from sandbox.jail import self_test; import json; print(json.dumps(self_test.breaches_of_fork({place!r})))"
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
        assert json.loads(done.stdout) == {}
        assert list(folders.scratch.iterdir()) == []
    finally:
        folders.close()


def test_the_attacks_have_teeth() -> None:
    """Outside of the jail the same attacks succeed; a battery that is blocked everywhere would prove nothing."""
    with self_test.bait() as bait:
        tried = [name for name in attacks.ATTACKS if name not in UNSAFE_OUTSIDE]
        payload = json.dumps(bait | {"attacks": tried}).encode()
        descriptor = int(bait["descriptor"])
        done = subprocess.run(
            [sys.executable, "-c", CONTROL], input=payload, capture_output=True, timeout=60, check=True, pass_fds=[descriptor]
        )
    reached = set(json.loads(done.stdout))
    # capabilities and another process's limits and memory need root; the tasks of root are not counted
    assert set(tried) - reached <= {
        "become root",
        "hold a capability",
        "change the parent's limits",
        "read the parent's memory",
        "read the parent's environment",
        "start more tasks than the limit",
    }
    assert {"read a private file of the site", "connect by TCP", "connect to a UNIX socket", "fork", "run a shell"} <= reached
