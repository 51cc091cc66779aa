"""Adapters to the APIs of external models; `provider_for` finds the one of a served entity."""

from typing import Any

from sandbox.errors import InvalidState
from sandbox.providers.base import Provider, ProviderAnswer, ProviderError
from sandbox.providers.openai import OpenAi

PROVIDERS: dict[str, Provider] = {provider.name: provider for provider in (OpenAi(),)}


def provider_for(external: dict[str, Any]) -> Provider:
    """The adapter that `LiveEntity.external` names.

    Raises:
        InvalidState: there is none for it.
    """
    provider = PROVIDERS.get(str(external.get("provider")))
    if provider is None:
        raise InvalidState(f"Provider {external.get('provider')!r} cannot be called here; these can: {', '.join(PROVIDERS)}.")
    return provider


__all__ = ["PROVIDERS", "Provider", "ProviderAnswer", "ProviderError", "provider_for"]
