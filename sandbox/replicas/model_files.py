"""The model files of one node: its own folder, and Redis for what another host has built."""

import logging
import time
from pathlib import Path
from typing import Any

from sandbox.builds import store
from sandbox.replicas.messages import CONTROL_SEND_MODEL, model_key
from sandbox.replicas.worker_app import send

logger = logging.getLogger(__name__)
FETCH_TIMEOUT_S = 60.0
ASK_AGAIN_S = 10.0
LOOK_EVERY_S = 0.05


class ModelFileMissing(Exception):
    """The model file is neither here nor where it was built."""


class ModelFiles:
    """Model files by the SHA-256 of their content."""

    def __init__(self, directory: Path, redis: Any) -> None:
        self._directory, self._redis = directory, redis

    def path(self, sha256: str) -> Path:
        return self._directory / sha256

    def has(self, sha256: str) -> bool:
        """Whether the file is there (the replica checks its content), or none is needed: a feature spec has no model."""
        return not sha256 or self.path(sha256).exists()

    def fetch(self, sha256: str) -> None:
        """Ask the control plane for the file and keep it. Raises ModelFileMissing, RedisError."""
        give_up_s, asked_s = time.monotonic() + FETCH_TIMEOUT_S, 0.0
        while time.monotonic() < give_up_s:
            content = self._redis.get(model_key(sha256))
            if content is not None:
                self._keep(sha256, content)
                return
            if time.monotonic() - asked_s > ASK_AGAIN_S:
                send(CONTROL_SEND_MODEL, (sha256,), "control")
                asked_s = time.monotonic()
            time.sleep(LOOK_EVERY_S)
        raise ModelFileMissing(f"The model file {sha256} was not sent to this node within {FETCH_TIMEOUT_S:.0f} s.")

    def _keep(self, sha256: str, content: bytes) -> None:
        if not content:
            raise ModelFileMissing("The model file is gone from the site that built it. Register the model again.")
        found, _ = store.put(self._directory, content)
        if found != sha256:
            raise ModelFileMissing(f"What was sent as model file {sha256} has another content.")
        logger.info("fetched model file %s (%d bytes)", sha256, len(content))
