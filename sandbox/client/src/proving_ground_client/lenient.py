"""Lenient mode: slips of published notebooks are absorbed, each with a printed sentence; off unless switched on."""

from typing import Any

from databricks.sdk.service.serving import EndpointCoreConfigInput, TrafficConfig

_as_dict = EndpointCoreConfigInput.as_dict
_on = False


def switch_on() -> None:
    """For this process, until `switch_off`."""
    global _on
    _on = True
    EndpointCoreConfigInput.as_dict = _with_traffic  # type: ignore[assignment,method-assign]  # mypy counts self twice


def switch_off() -> None:
    global _on
    _on = False
    EndpointCoreConfigInput.as_dict = _as_dict  # type: ignore[method-assign]  # as it was


def is_on() -> bool:
    return _on


def absorbed(defect: str, right: str) -> None:
    """Print what is wrong and what would be right; two sentences without their full stops."""
    print(f"Warning: {defect}. Right: {right}.")


def _with_traffic(config: EndpointCoreConfigInput) -> dict[str, Any]:
    if isinstance(config.traffic_config, dict):
        absorbed(  # type: ignore[unreachable]  # see above
            "traffic_config is a dictionary, which the SDK does not send ('dict' object has no attribute 'as_dict')",
            "traffic_config=TrafficConfig.from_dict({…}), or EndpointCoreConfigInput.from_dict for the whole config",
        )
        config.traffic_config = TrafficConfig.from_dict(config.traffic_config)
    return _as_dict(config)
