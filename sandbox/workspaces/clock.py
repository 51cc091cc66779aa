"""The clock of a workspace, which may run faster than the wall clock, and the one conversion to milliseconds."""

from datetime import datetime, timedelta

from django.utils import timezone

from sandbox.errors import InvalidParameterValue
from sandbox.workspaces.models import Workspace

MAX_FACTOR = 100_000.0


def epoch_ms(moment: datetime) -> int:
    """Milliseconds since the epoch, the form of every timestamp in the REST API."""
    return round(moment.timestamp() * 1000)


def at(workspace: Workspace, moment: datetime) -> datetime:
    """What the workspace's clock showed at a real `moment`.

    Moments before the clock was last set count one for one: the factor that held then is not kept.
    """
    since_set = moment - workspace.clock_set_at
    factor = workspace.clock_factor if since_set > timedelta(0) else 1.0
    return workspace.clock_set_to + since_set * factor


def now(workspace: Workspace) -> datetime:
    """What the workspace's clock shows now. Idle time-outs, meters and schedules read this; request time-outs do not."""
    return at(workspace, timezone.now())


def elapsed_s(workspace: Workspace, since: datetime) -> float:
    """Seconds of the workspace's time since the real moment `since`."""
    return (now(workspace) - at(workspace, since)).total_seconds()


def set_factor(workspace: Workspace, factor: float) -> None:
    """Let the clock run `factor` times as fast from now on, without a jump."""
    if not 0 < factor <= MAX_FACTOR:
        raise InvalidParameterValue(f"The clock's factor must be above 0 and at most {MAX_FACTOR:g}, not {factor:g}.")
    moment = timezone.now()
    workspace.clock_set_to, workspace.clock_set_at = at(workspace, moment), moment
    workspace.clock_factor = factor
    workspace.save(update_fields=["clock_set_to", "clock_set_at", "clock_factor"])
