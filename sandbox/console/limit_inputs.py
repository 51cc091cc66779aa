"""The rate limits of an endpoint as the settings page shows and changes them; the rest of the AI Gateway stays as it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.conf import settings

from sandbox.console import sdk_code
from sandbox.console.endpoints import OpenEndpoint
from sandbox.console.samples import Sample
from sandbox.serving import attributes

Json = dict[str, Any]
MOST = 2**31 - 1
WHOM = (("endpoint", "All of them together"), ("user", "Each user"))
EXAMPLE = {"calls": 100, "key": "user", "renewal_period": "minute"}


class LimitsInput(forms.Form):
    """How many calls, and for language models how many tokens, a minute has; empty for no limit."""

    endpoint_calls = forms.IntegerField(label="Calls of everybody together", required=False, min_value=0, max_value=MOST)
    user_calls = forms.IntegerField(label="Calls of each user", required=False, min_value=0, max_value=MOST)
    endpoint_tokens = forms.IntegerField(label="Tokens of everybody together", required=False, min_value=0, max_value=MOST)
    user_tokens = forms.IntegerField(label="Tokens of each user", required=False, min_value=0, max_value=MOST)

    def __init__(self, *args: Any, counts_tokens: bool, **kwargs: Any) -> None:
        """`counts_tokens`: custom models have limits in calls only."""
        super().__init__(*args, **kwargs)
        if not counts_tokens:
            del self.fields["endpoint_tokens"], self.fields["user_tokens"]

    def limits(self) -> list[Json]:
        """`ai_gateway.rate_limits` for everybody and for each user."""
        found = []
        for key, _ in WHOM:
            given = {measure: self.cleaned_data.get(f"{key}_{measure}") for measure in ("calls", "tokens")}
            numbers = {measure: number for measure, number in given.items() if number is not None}
            if numbers:
                found.append({**numbers, "key": key, "renewal_period": "minute"})
        return found


@dataclass(frozen=True)
class CustomLimit:
    """A limit for one person or one group; it goes before that for each user."""

    whom: str
    words: str


def limits_input(found: OpenEndpoint, data: Any = None) -> LimitsInput:
    """The form as it is, or as it was sent."""
    initial = {
        f"{limit.get('key', 'endpoint')}_{measure}": limit[measure]
        for limit in _limits(found)
        if not limit.get("principal")
        for measure in ("calls", "tokens")
        if measure in limit
    }
    return LimitsInput(data, initial=initial, counts_tokens=found.row.kind != "custom")


def custom_limits(found: OpenEndpoint) -> list[CustomLimit]:
    """What was given to people and groups by the API."""
    kinds = {"user_group": "Group", "service_principal": "Service principal"}
    return [
        CustomLimit(f"{kinds.get(limit.get('key', ''), 'User')} {limit['principal']}", _words(limit))
        for limit in _limits(found)
        if limit.get("principal")
    ]


def save_limits(found: OpenEndpoint, typed: LimitsInput) -> None:
    """Replace what is for everybody and for each user. Raises an ApiError whose message helps."""
    kept = [limit for limit in _limits(found) if limit.get("principal")]
    attributes.put_rate_limits(found.caller.workspace, found.name, typed.limits() + kept)


def limits_call(found: OpenEndpoint) -> list[Sample]:
    """The call that sets the limits as they are now; it replaces the whole gateway."""
    body = {**found.row.ai_gateway, "rate_limits": list(_limits(found)) or [EXAMPLE]}
    path = f"/api/2.0/serving-endpoints/{found.name}/ai-gateway"
    return sdk_code.call(settings.SITE_URL, "serving_endpoints.put_ai_gateway", {"name": found.name, **body}, "PUT", path, body)


def _limits(found: OpenEndpoint) -> Sequence[Json]:
    limits: Sequence[Json] = found.row.ai_gateway.get("rate_limits") or ()
    return limits


def _words(limit: Json) -> str:
    return " and ".join(f"{limit[measure]:,} {measure}" for measure in ("calls", "tokens") if measure in limit) + " a minute"
