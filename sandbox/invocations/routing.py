"""Which served entity answers a request: a draw against the routes of the active config."""

from collections.abc import Sequence

from sandbox.live import LiveRoute


def choose(routes: Sequence[LiveRoute], draw: float) -> str:
    """The served entity name for `draw`, a number in [0, 100).

    Routes are laid end to end in their order: with 80/20, draws below 80 go to the first.
    """
    edge = 0.0
    for route in routes:
        edge += route.traffic_percentage
        if draw < edge:
            return route.served_entity_name
    return routes[-1].served_entity_name
