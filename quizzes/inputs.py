"""Django form classes: what people type, checked (`Form` is always the exam form, so these end in Input)."""

import re
from collections.abc import Sequence

from django import forms
from django.http import QueryDict

from quizzes.item_specs import KINDS
from quizzes.models import Cohort, Item
from quizzes.models.cohorts import JOIN_CODE_LENGTH


class AnswerInput(forms.Form):
    """Which submission to this question it is, and perhaps a step to move (`up-2`: the step numbered 2 goes up by one)."""

    sequence = forms.IntegerField(min_value=1, max_value=99)
    move = forms.RegexField(r"\A(up|down)-[1-9]\Z", required=False)

    def moved(self, numbers: Sequence[int]) -> list[int]:
        """The order with the step moved by one place; a step at the end stays there."""
        direction, _, name = str(self.cleaned_data["move"]).partition("-")
        order = list(numbers)
        if int(name) in order:
            here = order.index(int(name))
            there = here - 1 if direction == "up" else here + 1
            if 0 <= there < len(order):
                order[here], order[there] = order[there], order[here]
        return order


def numbers_given(posted: QueryDict, kind: str) -> list[int]:
    """The numbers of a submission, as Presented.answer takes them; what is no number between 0 and 99 counts as -1."""
    if kind == "matching":
        fields = sorted(name for name in posted if re.fullmatch(r"match-[1-9]", name))
        return [_number(str(posted[name]) or "0") for name in fields]
    return [_number(text) for text in posted.getlist("order" if kind == "ordering" else "option")[:9]]


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 3 else -1


class ReportInput(forms.Form):
    """A reader's report that something about an item is wrong."""

    text = forms.CharField(
        min_length=10,
        max_length=2000,
        label="What is wrong?",
        widget=forms.Textarea(attrs={"rows": 4}),
        error_messages={"required": "Say what is wrong.", "min_length": "Say a little more, so that it can be found."},
    )


class DraftInput(forms.Form):
    """An item as its author types it: YAML, and what it was when she began."""

    text = forms.CharField(max_length=60_000, required=False, strip=False)
    base = forms.RegexField(r"\A[0-9a-f]{64}\Z", required=False)
    bank = forms.SlugField(required=False)

    def clean_text(self) -> str:
        return str(self.cleaned_data["text"]).replace("\r\n", "\n")


class NewItemInput(forms.Form):
    """Where a new item shall stand, and of which kind it is."""

    key = forms.SlugField(max_length=80, label="Key", error_messages={"required": "Give the item a key."})
    bank = forms.SlugField(label="Bank")
    kind = forms.ChoiceField(choices=[(kind, kind) for kind in KINDS], label="Kind")

    def clean_key(self) -> str:
        key = str(self.cleaned_data["key"])
        if key != key.lower() or Item.objects.filter(key=key).exists():
            raise forms.ValidationError("Keys are in small letters and each is used once; this one is not free.")
        return key


class WhyInput(forms.Form):
    """Why an item is taken out of circulation or put back."""

    why = forms.CharField(min_length=3, max_length=500, error_messages={"required": "Say why."})


class ReplyInput(forms.Form):
    """What an author answers to a report; it may be empty."""

    reply = forms.CharField(max_length=2000, required=False)


class CohortInput(forms.Form):
    """A new cohort."""

    name = forms.CharField(max_length=120, label="Name of the cohort", error_messages={"required": "Give the cohort a name."})


class JoinInput(forms.Form):
    """A join code as it is typed: case and spaces do not matter."""

    code = forms.CharField(max_length=40, label="Join code")

    def clean_code(self) -> str:
        code = "".join(str(self.cleaned_data["code"]).split()).replace("-", "").upper()
        if len(code) != JOIN_CODE_LENGTH or not Cohort.objects.filter(join_code=code).exists():
            raise forms.ValidationError("No cohort has this code. Codes have 8 letters and digits; ask your instructor.")
        return code
