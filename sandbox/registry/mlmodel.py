"""Read an MLmodel file: plain YAML and JSON, never the model itself."""

import json
from dataclasses import asdict, dataclass
from typing import Any

import yaml

from sandbox.errors import InvalidState


@dataclass(frozen=True)
class ModelDescription:
    """What an MLmodel file says: the flavour and the signature (MLflow's JSON column lists)."""

    flavor: str
    flavor_version: str
    inputs: list[dict[str, Any]]
    outputs: list[dict[str, Any]]


def describe_mlmodel(content: bytes) -> ModelDescription:
    """Flavour and signature of an MLmodel file.

    Raises:
        InvalidState: it is not an MLmodel file.
    """
    document = _document(content)
    flavors = document.get("flavors")
    if not isinstance(flavors, dict) or not flavors:
        raise InvalidState("The MLmodel file names no flavor. Log the model with one of MLflow's log_model functions.")
    flavor = next((name for name in flavors if name != "python_function"), "python_function")
    settings = flavors[flavor] if isinstance(flavors[flavor], dict) else {}
    signature = document.get("signature") or {}
    return ModelDescription(
        flavor=str(flavor),
        flavor_version=str(settings.get(f"{flavor}_version", "")),
        inputs=_columns(signature, "inputs"),
        outputs=_columns(signature, "outputs"),
    )


def described_model(content: bytes) -> dict[str, Any]:
    """What a version keeps of its MLmodel file: the fields of ModelDescription, and whether the signature has both sides."""
    found = describe_mlmodel(content)
    signature = _document(content).get("signature")
    sides = signature if isinstance(signature, dict) else {}
    return {**asdict(found), "has_inputs": bool(sides.get("inputs")), "has_outputs": bool(sides.get("outputs"))}


def _document(content: bytes) -> dict[str, Any]:
    try:
        document = yaml.safe_load(content)
    except (yaml.YAMLError, RecursionError) as error:
        raise InvalidState("The MLmodel file is not valid YAML. Log the model again.") from error
    if not isinstance(document, dict):
        raise InvalidState("The MLmodel file is not a YAML mapping. Log the model again.")
    return document


def _columns(signature: Any, side: str) -> list[dict[str, Any]]:
    """One side of the signature; empty when it is absent or unreadable (a display must not fail on it)."""
    text = signature.get(side) if isinstance(signature, dict) else None
    try:
        columns = json.loads(text) if isinstance(text, str) else []
    except ValueError:
        return []
    return [c for c in columns if isinstance(c, dict)] if isinstance(columns, list) else []
