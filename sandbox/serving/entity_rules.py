"""Pure rules of a config's served entities: names, versions, sizes, and what excludes what [sdk: ServedEntityInput]."""

import re
from collections.abc import Sequence
from typing import Any

from django.conf import settings

from sandbox.errors import InvalidParameterValue
from sandbox.serving.external_models import MAX_SERVED_NAME_CHARACTERS, read_external_model, served_name
from sandbox.serving.inputs import EntityInput
from sandbox.workspaces.secret_store import REFERENCE

WORKLOAD_SIZES = ("Small", "Medium", "Large")
WORKLOAD_TYPES = (
    "CPU",
    "CPU_MEDIUM",
    "CPU_LARGE",
    "GPU_SMALL",
    "GPU_MEDIUM",
    "MULTIGPU_MEDIUM",
    "GPU_LARGE",
    "GPU_XLARGE",
    "GPU_XLARGE_8",
)
MAX_ENVIRONMENT_VARS = 30
CONCURRENCY_STEP = 4
NAME = re.compile(r"^[A-Za-z0-9_-]+$")
VERSION = re.compile(r"[1-9][0-9]{0,8}")
"""MLflow keeps it as a number of 32 bits."""
BARE_URI = re.compile(r"models:/(?P<name>[^/@]+)")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
EXCLUDED_BY_EXTERNAL = ("entity_name", "entity_version", "workload_size", "workload_type", "scale_to_zero_enabled")
Raw = dict[str, Any]


def read_entities(served_entities: Sequence[Raw] | None, served_models: Sequence[Raw] | None) -> tuple[EntityInput, ...]:
    """The entities of a config, from either spelling. Raises InvalidParameterValue."""
    if served_entities and served_models:
        raise InvalidParameterValue("Give served_entities or the deprecated served_models, not both.")
    given = list(served_entities or (_as_entity(model) for model in served_models or ()))
    if not given:
        raise InvalidParameterValue("A config needs at least one served entity: served_entities is missing or empty.")
    if len(given) > settings.MAX_SERVED_ENTITIES:
        raise InvalidParameterValue(
            f"An endpoint serves at most {settings.MAX_SERVED_ENTITIES} entities; this config has {len(given)}."
        )
    entities = tuple(_external(raw) if raw.get("external_model") else _custom(raw) for raw in given)
    _check_together(entities)
    return entities


def default_name(entity_name: str, entity_version: str) -> str:
    """`<last part of the name>-<version>`, of a feature spec without the version; what a name may not have becomes '-'."""
    parts = filter(None, [entity_name.rsplit(".", 1)[-1], entity_version])
    return re.sub(r"[^A-Za-z0-9_-]", "-", "-".join(parts))[-MAX_SERVED_NAME_CHARACTERS:]


def _as_entity(model: Raw) -> Raw:
    renamed = {"model_name": "entity_name", "model_version": "entity_version"}
    return {renamed.get(name, name): value for name, value in model.items()}


def _custom(raw: Raw) -> EntityInput:
    entity_name, entity_version = _registered_name(raw.get("entity_name", "")), raw.get("entity_version", "")
    _check_entity_version(entity_name, entity_version)
    _check_size(raw)
    _check_environment(raw.get("environment_vars", {}))
    fixed = {name: raw[name] for name in ("min_provisioned_concurrency", "max_provisioned_concurrency") if name in raw}
    return EntityInput(
        name=raw.get("name") or default_name(entity_name, entity_version),
        entity_name=entity_name,
        entity_version=entity_version,
        workload_size=raw.get("workload_size", "" if fixed else "Small"),
        workload_type=raw.get("workload_type", "CPU"),
        scale_to_zero_enabled=raw.get("scale_to_zero_enabled", False),
        environment_vars=raw.get("environment_vars", {}),
        instance_profile_arn=raw.get("instance_profile_arn", ""),
        **fixed,
    )


def _external(raw: Raw) -> EntityInput:
    beside = next((name for name in EXCLUDED_BY_EXTERNAL if name in raw), None)
    if beside:
        raise InvalidParameterValue(f"external_model and {beside} exclude each other: {beside} is for models of your own.")
    shown, plain_secrets = read_external_model(raw["external_model"])
    return EntityInput(
        name=raw.get("name") or served_name(shown["name"]),
        workload_type="",
        external_model=shown,
        plain_secrets=plain_secrets,
    )


def _registered_name(entity_name: str) -> str:
    """`models:/name` is taken as the name; a URI that says more is refused, for its version or alias would not be followed."""
    if not entity_name:
        raise InvalidParameterValue(
            "A served entity needs entity_name (a registered model such as 'main.default.churn', or a feature spec) or "
            "external_model."
        )
    bare = BARE_URI.fullmatch(entity_name)
    if bare:
        return bare["name"]
    if entity_name.startswith(("models:/", "runs:/")):
        name = entity_name.split("/", 1)[1].strip("/").split("/")[0].split("@")[0]
        raise InvalidParameterValue(
            f"entity_name '{entity_name}' is an MLflow URI. Give the model's registered name, such as '{name}', "
            "and its version in entity_version."
        )
    return entity_name


def _check_entity_version(entity_name: str, entity_version: str) -> None:
    name, at, alias = entity_name.partition("@")
    if not entity_version and at:
        raise InvalidParameterValue(
            f"entity_name '{entity_name}' ends with an alias, which an endpoint does not follow. Give the name '{name}', and "
            f"the version that '{alias}' stands for in entity_version."
        )
    if not entity_version and entity_name.count(".") == 2:
        return  # perhaps a feature spec, which has none; `config_checks` looks
    if not entity_version:
        raise InvalidParameterValue(f"entity_version is required for the model '{entity_name}'.")
    if not VERSION.fullmatch(entity_version):
        raise InvalidParameterValue(
            f"entity_version '{entity_version}' is not a version number. An alias is not followed by an endpoint: "
            "look up its version and give that, such as '1'."
        )


def _check_size(raw: Raw) -> None:
    low, high = raw.get("min_provisioned_concurrency"), raw.get("max_provisioned_concurrency")
    if low is None and high is None:
        return
    if "workload_size" in raw:
        raise InvalidParameterValue(
            "workload_size excludes min_provisioned_concurrency and max_provisioned_concurrency: give one or the other."
        )
    if low is None or high is None:
        raise InvalidParameterValue("Give min_provisioned_concurrency and max_provisioned_concurrency together.")
    for name, value in (("min_provisioned_concurrency", low), ("max_provisioned_concurrency", high)):
        if value % CONCURRENCY_STEP:
            raise InvalidParameterValue(f"{name} must be a multiple of {CONCURRENCY_STEP}, not {value}.")
    if high > settings.MAX_CONCURRENCY_PER_ENTITY:
        raise InvalidParameterValue(
            f"max_provisioned_concurrency may be at most {settings.MAX_CONCURRENCY_PER_ENTITY} for a served entity, not {high}."
        )
    if high == 0 or low > high:
        raise InvalidParameterValue(
            f"max_provisioned_concurrency must be at least {max(low, CONCURRENCY_STEP)} here, not {high}."
        )
    if low == 0 and not raw.get("scale_to_zero_enabled"):
        raise InvalidParameterValue("min_provisioned_concurrency 0 needs scale_to_zero_enabled; the smallest otherwise is 4.")


def _check_environment(variables: dict[str, str]) -> None:
    """At most 30, usable names; a value that begins like a secret reference is one [docs: store-env-variable page]."""
    if len(variables) > MAX_ENVIRONMENT_VARS:
        raise InvalidParameterValue(
            f"environment_vars may have at most {MAX_ENVIRONMENT_VARS} entries; there are {len(variables)}."
        )
    for name, value in variables.items():
        if not VARIABLE.fullmatch(name):
            raise InvalidParameterValue(
                f"environment_vars: '{name[:100]}' is not a valid name. Use letters, digits and underscores, no digit first."
            )
        if value.lstrip().startswith("{{") and not REFERENCE.match(value):
            raise InvalidParameterValue(
                f"environment_vars.{name}: '{value[:100]}' is not a secret reference. Write {{{{secrets/<scope>/<key>}}}}."
            )


def _check_together(entities: Sequence[EntityInput]) -> None:
    names = [entity.name for entity in entities]
    for name in names:
        if not NAME.match(name):
            raise InvalidParameterValue(
                f"The served entity name '{name}' is not valid: use letters, digits, dashes and underscores."
            )
        if names.count(name) > 1:
            raise InvalidParameterValue(
                f"Two served entities are called '{name}'. Names are unique in an endpoint: give one of them another `name`."
            )
    if len({bool(entity.external_model) for entity in entities}) > 1:
        raise InvalidParameterValue("An endpoint serves custom models or external models, not both. Make two endpoints.")
    tasks = sorted({entity.task for entity in entities})
    if len(tasks) > 1:
        raise InvalidParameterValue(f"All external models of an endpoint have the same task; these have {', '.join(tasks)}.")
