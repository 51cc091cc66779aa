"""Template helpers of the site's look: states as icon and word, tones of messages, form fields."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django import forms, template

register = template.Library()


@dataclass(frozen=True)
class Status:
    """How a state is shown: never by its colour alone."""

    word: str
    icon: str
    tone: str
    """success, progress, warning, danger or idle (classes `status-tag-*` in site.css)."""


STATUSES = {
    "READY": Status("Ready", "circle-check", "success"),
    "NOT_READY": Status("Not ready", "circle-dashed", "idle"),
    "IN_PROGRESS": Status("Updating", "progress", "progress"),
    "NOT_UPDATING": Status("Up to date", "check", "idle"),
    "UPDATE_FAILED": Status("Update failed", "alert-triangle", "danger"),
    "UPDATE_CANCELED": Status("Update cancelled", "ban", "warning"),
    "DEPLOYMENT_CREATING": Status("Creating", "progress", "progress"),
    "DEPLOYMENT_READY": Status("Ready", "circle-check", "success"),
    "DEPLOYMENT_RECOVERING": Status("Recovering", "repeat", "warning"),
    "DEPLOYMENT_FAILED": Status("Failed", "circle-x", "danger"),
    "DEPLOYMENT_ABORTED": Status("Aborted", "ban", "warning"),
    "STOPPED": Status("Stopped", "player-stop", "idle"),
    "AT_ZERO": Status("At zero", "zzz", "idle"),
    "PENDING": Status("Waiting", "hourglass", "progress"),
    "RUNNING": Status("Running", "progress", "progress"),
    "SUCCEEDED": Status("Succeeded", "circle-check", "success"),
    "FAILED": Status("Failed", "circle-x", "danger"),
    "CANCELED": Status("Canceled", "ban", "warning"),
    "QUEUED": Status("Waiting", "hourglass", "progress"),
    "COMPLETED": Status("Completed", "circle-check", "success"),
    "PROVISIONING_PIPELINE_RESOURCES": Status("Starting", "progress", "progress"),
    "PROVISIONING_INITIAL_SNAPSHOT": Status("First copy", "progress", "progress"),
    "ONLINE_NO_PENDING_UPDATE": Status("Online", "circle-check", "success"),
    "ONLINE_TRIGGERED_UPDATE": Status("Online, updating", "progress", "progress"),
    "ONLINE_CONTINUOUS_UPDATE": Status("Online, following", "circle-check", "success"),
    "ONLINE_PIPELINE_FAILED": Status("Online, sync failed", "alert-triangle", "warning"),
    "OFFLINE_FAILED": Status("Failed", "circle-x", "danger"),
}


@register.filter
def as_status(state: str) -> Status:
    """The look of the state of an endpoint, update, deployment or statement, as the REST API spells it."""
    return STATUSES.get(state, Status(state.replace("_", " ").capitalize() or "Unknown", "question-mark", "idle"))


@register.simple_tag
def duration(began: datetime | None, ended: datetime | None) -> str:
    """The time between the two, in words; empty while one is missing."""
    if began is None or ended is None:
        return ""
    seconds = (ended - began).total_seconds()
    return f"{1000 * seconds:.0f} ms" if seconds < 1 else f"{seconds:.1f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


@dataclass(frozen=True)
class Tone:
    """Class and icon of an alert."""

    name: str
    icon: str


TONES = {
    "success": Tone("success", "circle-check"),
    "warning": Tone("warning", "alert-triangle"),
    "error": Tone("danger", "alert-circle"),
}


@register.filter
def as_tone(level_tag: str) -> Tone:
    """The look of a message of `django.contrib.messages`."""
    return TONES.get(level_tag, Tone("info", "info-circle"))


@register.inclusion_tag("_field.html")
def field(bound: forms.BoundField, hint: str = "", css: str = "") -> dict[str, Any]:
    """A form field with its label, hint and errors; both are tied to the control for screen readers."""
    described = [f"hint_{bound.html_name}"] * bool(hint) + [f"error_{bound.html_name}"] * bool(bound.errors)
    attrs: dict[str, str | bool] = {"class": f"{_css_class(bound.field)} {'is-invalid' if bound.errors else ''} {css}".strip()}
    if described:
        attrs["aria-describedby"] = " ".join(described)
    if bound.errors:
        attrs["aria-invalid"] = "true"
    is_check = isinstance(bound.field.widget, forms.CheckboxInput)
    return {"field": bound, "control": bound.as_widget(attrs=attrs), "hint": hint, "is_check": is_check}


def _css_class(field: forms.Field) -> str:
    if isinstance(field.widget, forms.CheckboxInput):
        return "form-check-input"
    return "form-select" if isinstance(field.widget, forms.Select) else "form-control"
