"""Names with values, one on each line: how tags and environment variables are typed into a page."""

from collections.abc import Iterable, Mapping
from typing import Any

from django import forms

Pairs = list[tuple[str, str]]


def read_pairs(text: str, *, value_needed: bool) -> Pairs:
    """`NAME=value` lines in their order; empty lines are left out. Raises ValueError with a sentence that names the line."""
    pairs: Pairs = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        name, sign, value = line.partition("=")
        if value_needed and not sign:
            raise ValueError(f"Line {number} has no '='. Write NAME=value, one on each line.")
        if not name.strip():
            raise ValueError(f"Line {number} has no name before '='.")
        if name.strip() in (known for known, _ in pairs):
            raise ValueError(f"Line {number} gives {name.strip()} a second time. Each name may be there once.")
        pairs.append((name.strip(), value.strip()))
    return pairs


def pairs_text(pairs: Mapping[str, str] | Iterable[tuple[str, str]]) -> str:
    """The inverse of `read_pairs`."""
    items = pairs.items() if isinstance(pairs, Mapping) else pairs
    return "\n".join(f"{name}={value}" if value else name for name, value in items)


class PairsField(forms.CharField):
    """Cleaned to a list of (name, value)."""

    def __init__(self, *, value_needed: bool, rows: int = 3, **kwargs: Any) -> None:
        self.value_needed = value_needed
        area = forms.Textarea(attrs={"rows": rows, "autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"})
        super().__init__(required=False, widget=area, max_length=20_000, **kwargs)

    def clean(self, value: Any) -> Any:
        try:
            return read_pairs(super().clean(value), value_needed=self.value_needed)
        except ValueError as error:
            raise forms.ValidationError(str(error)) from error
