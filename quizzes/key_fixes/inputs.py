"""The form of a key fix: what is right, words for each option, step or pair, and why."""

from typing import Any

from django import forms

from quizzes.key_fixes.corrections import Correction
from quizzes.models import ItemVersion, Kind, Option
from quizzes.scoring import first_with_text, right_answer

ARRANGED = {Kind.ORDERING: "place", Kind.MATCHING: "match"}
"""Kinds in which each part has a field of its own for what is right, and that field's name; else it is the field `keys`."""


class KeyFixInput(forms.Form):
    """`base`: the item's lines in its file as the author saw them. Parts are numbered as in the version, from 1."""

    reason = forms.CharField(
        min_length=10,
        max_length=1000,
        label="Reason",
        widget=forms.Textarea(attrs={"rows": 3}),
        error_messages={"required": "Say why the key was wrong.", "min_length": "Say a little more: learners may ask."},
    )
    base = forms.RegexField(r"\A[0-9a-f]{64}\Z", required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, version: ItemVersion, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.kind = Kind(version.kind)
        self.options: list[Option] = list(version.options.all())
        self.parts = [option for option in self.options if self.kind != Kind.MATCHING or option.prompt]
        self.wanted = len(right_answer(self.kind, self.options))
        numbers = [(str(number), str(number)) for number in range(1, len(self.parts) + 1)]
        if self.kind in ARRANGED:
            chosen = numbers if self.kind == Kind.ORDERING else [(str(number), text) for number, text in self.matches()]
            for number, _ in numbers:
                self.fields[f"{ARRANGED[self.kind]}_{number}"] = forms.ChoiceField(choices=chosen)
        else:
            self.fields["keys"] = forms.MultipleChoiceField(choices=numbers, error_messages={"required": "Mark what is right."})
        for number, _ in numbers:
            self.fields[f"rationale_{number}"] = forms.CharField(
                max_length=2000, error_messages={"required": "Say why it is right or wrong."}
            )
            self.fields[f"misconception_{number}"] = forms.SlugField(max_length=80)

    def matches(self) -> list[tuple[int, str]]:
        """Matching: (position, text) of everything that a prompt can be matched to, each text once."""
        return [(o.position, o.text) for o in self.options if first_with_text(self.options, o.text) == o.position]

    def clean_keys(self) -> list[str]:
        found: list[str] = self.cleaned_data["keys"]
        if len(found) != self.wanted:
            raise forms.ValidationError(f"Mark exactly {'one option' if self.wanted == 1 else 'two options'}.")
        return found

    def clean(self) -> dict[str, Any]:
        given = super().clean() or self.cleaned_data
        if self.kind == Kind.ORDERING and not self.errors:
            places = [given[f"place_{number}"] for number in range(1, len(self.parts) + 1)]
            for number, place in enumerate(places, 1):
                if places.count(place) > 1:
                    self.add_error(f"place_{number}", f"Two steps cannot both stand at place {place}.")
        return given

    def correction(self) -> Correction:
        """What was typed; expects the form to be valid."""
        given, count = self.cleaned_data, len(self.parts)
        return Correction(
            self._right(),
            tuple(given[f"rationale_{number}"] for number in range(1, count + 1)),
            tuple(given[f"misconception_{number}"] for number in range(1, count + 1)),
        )

    def _right(self) -> tuple[int, ...]:
        if self.kind not in ARRANGED:
            return tuple(sorted(int(key) for key in self.cleaned_data["keys"]))
        values = [int(self.cleaned_data[f"{ARRANGED[self.kind]}_{number}"]) for number in range(1, len(self.parts) + 1)]
        if self.kind == Kind.MATCHING:
            return tuple(values)
        return tuple(position for _, position in sorted((place, number) for number, place in enumerate(values, 1)))


def fields_of(correction: Correction, version: ItemVersion) -> dict[str, list[str]]:
    """The fields that say this correction: what a form with it in it sends."""
    right = list(correction.right)
    fields = {f"rationale_{number}": [text] for number, text in enumerate(correction.rationales, 1)}
    fields |= {f"misconception_{number}": [tag] for number, tag in enumerate(correction.misconceptions, 1)}
    if version.kind == Kind.ORDERING:
        return fields | {f"place_{position}": [str(place)] for place, position in enumerate(right, 1)}
    if version.kind == Kind.MATCHING:
        return fields | {f"match_{number}": [str(position)] for number, position in enumerate(right, 1)}
    return fields | {"keys": [str(position) for position in right]}
