"""Pure rules of traffic_config: which share of the invocations each served entity gets."""

from collections.abc import Sequence
from typing import Any

from sandbox.errors import InvalidParameterValue

TOTAL = 100


def complete_routes(given: Sequence[tuple[str, int]] | None, names: Sequence[str]) -> tuple[dict[str, Any], ...]:
    """The routes of a config with served entities `names`, from (name, percentage) pairs.

    Left out, the only entity gets everything; with more than one the split must be said ([cli]: what "the backend" does).
    Raises InvalidParameterValue.
    """
    if given is None:
        if len(names) > 1:
            raise InvalidParameterValue(
                f"traffic_config is required when an endpoint serves more than one entity. Give {_listed(names)} each a "
                "traffic_percentage; together they must make 100."
            )
        given = [(names[0], TOTAL)]
    _check_names([name for name, _ in given], names)
    total = sum(percentage for _, percentage in given)
    if total != TOTAL:
        raise InvalidParameterValue(f"The traffic percentages of all routes must add up to 100. They add up to {total}.")
    return tuple({"served_entity_name": name, "traffic_percentage": percentage} for name, percentage in given)


def _check_names(routed: Sequence[str], names: Sequence[str]) -> None:
    for name in routed:
        if name not in names:
            raise InvalidParameterValue(
                f"traffic_config has a route to '{name}', which this config does not serve. It serves {_listed(names)}."
            )
        if routed.count(name) > 1:
            raise InvalidParameterValue(f"traffic_config has more than one route to '{name}'. Give each served entity one route.")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
