"""Pure rules of external_model: the documented config of each provider, and its keys kept apart from the rest.

Field names and "exactly one of a key and its _plaintext twin" are from [sdk] `ExternalModel` and the provider configs.
"""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from sandbox.errors import InvalidParameterValue

TASKS = ("llm/v1/chat", "llm/v1/completions", "llm/v1/embeddings")
PLAIN = "_plaintext"
MAX_NAME_CHARACTERS = 255
MAX_SERVED_NAME_CHARACTERS = 200
MAX_FIELD_CHARACTERS = 8192


@dataclass(frozen=True)
class Provider:
    """The config object of a provider: fields it must have, and keys (one of the twin fields each)."""

    config: str
    required: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()


PROVIDERS = {
    "ai21labs": Provider("ai21labs_config", keys=("ai21labs_api_key",)),
    "amazon-bedrock": Provider("amazon_bedrock_config", ("aws_region", "bedrock_provider")),
    "anthropic": Provider("anthropic_config", keys=("anthropic_api_key",)),
    "cohere": Provider("cohere_config", keys=("cohere_api_key",)),
    "custom": Provider("custom_provider_config", ("custom_provider_url",)),
    "databricks-model-serving": Provider(
        "databricks_model_serving_config", ("databricks_workspace_url",), ("databricks_api_token",)
    ),
    "google-cloud-vertex-ai": Provider("google_cloud_vertex_ai_config", ("project_id", "region"), ("private_key",)),
    "openai": Provider("openai_config", keys=("openai_api_key",)),
    "palm": Provider("palm_config", keys=("palm_api_key",)),
}
CALLABLE = ("openai",)
"""Providers that this sandbox can call; the others are recognised, checked and then refused."""


def read_external_model(raw: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """What may be shown of the model, and its plain keys by field name. Raises InvalidParameterValue."""
    provider_name = str(raw.get("provider") or "")
    provider = PROVIDERS.get(provider_name)
    if provider is None:
        raise InvalidParameterValue(f"external_model.provider '{provider_name}' is not known. Known are: {', '.join(PROVIDERS)}.")
    if not isinstance(raw.get("name"), str) or not 0 < len(raw["name"]) <= MAX_NAME_CHARACTERS:
        raise InvalidParameterValue(
            "external_model.name is required: the provider's name of the model, such as 'gpt-4o-mini', at most "
            f"{MAX_NAME_CHARACTERS} characters."
        )
    if raw.get("task") not in TASKS:
        raise InvalidParameterValue(f"external_model.task must be one of {', '.join(TASKS)}, not {raw.get('task')!r}.")
    config = _own_config(raw, provider_name, provider)
    _check_config(config, provider)
    if provider_name not in CALLABLE:
        raise InvalidParameterValue(
            f"The config of provider '{provider_name}' is valid, but this sandbox can call only: {', '.join(CALLABLE)}."
        )
    _check_openai(config)
    shown = {k: v for k, v in config.items() if not k.endswith(PLAIN)}
    secrets = {k.removesuffix(PLAIN): str(v) for k, v in config.items() if k.endswith(PLAIN) and v}
    facts = {"provider": provider_name, "name": str(raw["name"]), "task": raw["task"], provider.config: shown}
    return facts, secrets


def served_name(external_model_name: str) -> str:
    """The default name: '.' and ':' become '-' [sdk: ServedEntityInput.name]."""
    return external_model_name.replace(".", "-").replace(":", "-")[-MAX_SERVED_NAME_CHARACTERS:]


def _own_config(raw: dict[str, Any], provider_name: str, provider: Provider) -> dict[str, Any]:
    """The one config object that belongs to the provider."""
    foreign = [p.config for p in PROVIDERS.values() if p.config != provider.config and raw.get(p.config)]
    if foreign:
        raise InvalidParameterValue(f"external_model has {foreign[0]}, but {provider_name} uses {provider.config}.")
    config = raw.get(provider.config)
    if not isinstance(config, dict):
        raise InvalidParameterValue(f"external_model.{provider.config} is required for the provider '{provider_name}'.")
    return {name: value for name, value in config.items() if value is not None}


def _check_config(config: dict[str, Any], provider: Provider) -> None:
    for name in provider.required:
        if not config.get(name):
            raise InvalidParameterValue(f"external_model.{provider.config}.{name} is required.")
    if provider.config == "openai_config" and config.get("openai_api_type") == "azuread":
        return  # its credential is the Microsoft Entra client secret, see _check_openai
    for name in provider.keys:
        _check_key(config, provider.config, name)


def _check_key(config: dict[str, Any], config_name: str, name: str) -> None:
    """Exactly one of the secret reference and the pasted key."""
    if bool(config.get(name)) == bool(config.get(name + PLAIN)):
        found = "both are given" if config.get(name) else "neither is given"
        raise InvalidParameterValue(
            f"external_model.{config_name} needs exactly one of {name} (a secret reference) and {name}{PLAIN}; {found}."
        )


def _check_openai(config: dict[str, Any]) -> None:
    """Every field is text; and the three API types of openai_config [sdk: OpenAiConfig]."""
    for name, value in config.items():
        if not isinstance(value, str) or len(value) > MAX_FIELD_CHARACTERS or not (value.isascii() and value.isprintable()):
            raise InvalidParameterValue(
                f"openai_config.{name} must be text in ASCII without line breaks, of at most {MAX_FIELD_CHARACTERS} characters."
            )
    if config.get("openai_api_base") and not _is_address(config["openai_api_base"]):
        raise InvalidParameterValue("openai_config.openai_api_base must be an address, such as https://api.openai.com/v1.")
    api_type = config.get("openai_api_type", "openai")
    if api_type not in {"openai", "azure", "azuread"}:
        raise InvalidParameterValue(f"openai_config.openai_api_type must be openai, azure or azuread, not {api_type!r}.")
    if api_type != "openai":
        raise InvalidParameterValue(
            f"openai_config.openai_api_type '{api_type}' is known, but this sandbox calls only the OpenAI API: leave it out."
        )


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0 and " " not in url
    except ValueError:
        return False
