"""Lenient mode: slips of published notebooks are absorbed, each with a printed sentence; off unless switched on."""

from typing import Any

from databricks.sdk.service.serving import EndpointCoreConfigInput, TrafficConfig

_init, _as_dict = EndpointCoreConfigInput.__init__, EndpointCoreConfigInput.as_dict
_on = False


def switch_on() -> None:
    """For this process, until `switch_off`."""
    global _on
    _on = True
    _patch(_without_name, _with_traffic)


def switch_off() -> None:
    global _on
    _on = False
    _patch(_init, _as_dict)


def is_on() -> bool:
    return _on


def absorbed(defect: str, right: str) -> None:
    """Print what is wrong and what would be right; two sentences without their full stops."""
    print(f"Warning: {defect}. Right: {right}.")


def _patch(init: Any, as_dict: Any) -> None:
    """The two places where the SDK is stricter than what people publish."""
    for name, function in (("__init__", init), ("as_dict", as_dict)):
        setattr(EndpointCoreConfigInput, name, function)


def _without_name(config: EndpointCoreConfigInput, *arguments: Any, **named: Any) -> None:
    if not arguments and "name" not in named:
        absorbed(
            "EndpointCoreConfigInput is made without its name, which the SDK demands",
            "EndpointCoreConfigInput(name=…), the endpoint's name",
        )
        named["name"] = None
    _init(config, *arguments, **named)


def _with_traffic(config: EndpointCoreConfigInput) -> dict[str, Any]:
    if isinstance(config.traffic_config, dict):
        absorbed(  # type: ignore[unreachable]  # the type says what people do not write
            "traffic_config is a dictionary, which the SDK does not send ('dict' object has no attribute 'as_dict')",
            "traffic_config=TrafficConfig.from_dict({…}), or EndpointCoreConfigInput.from_dict for the whole config",
        )
        config.traffic_config = TrafficConfig.from_dict(config.traffic_config)
    return _as_dict(config)
