"""What a node does when one of its replicas has died: start another at once, a little later, or not at all."""

import enum
import os
import time
from collections import deque
from dataclasses import dataclass, field

LOAD_FAILED_EXIT = 3
"""Exit status of a replica that has said itself why its model cannot run."""
DEATHS_ALLOWED, DEATH_WINDOW_S = 3, 300.0
"""More than so many deaths of an entity's replicas within the window are many."""
DIED_TOO_OFTEN = (
    f"Its replica ended more than {DEATHS_ALLOWED} times within {DEATH_WINDOW_S / 60:.0f} minutes before it took requests. "
    "Update the endpoint to try again."
)
PAUSE_S = 1.0
"""Before another replica is started when many have died: what ends them may be about still."""


class Restart(enum.Enum):
    AT_ONCE = enum.auto()
    LATER = enum.auto()
    """After PAUSE_S."""
    NEVER = enum.auto()
    """The entity has failed, and the replica has not said why."""
    HAS_FAILED = enum.auto()
    """The replica has said why."""


@dataclass
class Restarts:
    """The deaths on one node."""

    _deaths: dict[str, deque[float]] = field(default_factory=dict)
    """By entity id: when replicas died, on time.monotonic()'s clock."""

    def after_death(self, entity_id: str, wait_status: int, *, was_ready: bool, now_s: float | None = None) -> Restart:
        """What to do about a replica that has just ended.

        The model runs in processes of its own, so whatever ends replicas that took requests is not the model: those are started
        again for ever. Replicas that never get that far are given up.
        """
        deaths = self._note(entity_id, time.monotonic() if now_s is None else now_s)
        if os.WIFEXITED(wait_status) and os.WEXITSTATUS(wait_status) == LOAD_FAILED_EXIT:
            return Restart.HAS_FAILED
        if deaths <= DEATHS_ALLOWED:
            return Restart.AT_ONCE
        return Restart.LATER if was_ready else Restart.NEVER

    def forget(self, entity_id: str) -> None:
        self._deaths.pop(entity_id, None)

    def _note(self, entity_id: str, now_s: float) -> int:
        """How many replicas of the entity have died of late, this one included."""
        deaths = self._deaths.setdefault(entity_id, deque())
        deaths.append(now_s)
        while now_s - deaths[0] > DEATH_WINDOW_S:
            deaths.popleft()
        return len(deaths)
