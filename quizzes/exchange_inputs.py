"""Django form classes of imports."""

from datetime import date, timedelta
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile

from quizzes.bank_files import NOT_BANKS
from quizzes.interchange.formats import FORMATS, MAX_UPLOAD_BYTES
from quizzes.interchange.plans import Wishes
from quizzes.lint_rules import BLOOM, DIFFICULTIES, LONGEST_LIFE_DAYS

Choices = list[tuple[str, str]]


def _words(values: tuple[str, ...]) -> Choices:
    return [(value, value.capitalize()) for value in values]


class ImportInput(forms.Form):
    """A file, where its new items go, and what holds for items that do not say it themselves."""

    file = forms.FileField(label="File", error_messages={"required": "Choose a file.", "empty": "The file is empty."})
    format = forms.ChoiceField(label="Format", choices=[(form.slug, form.name) for form in FORMATS.values()])
    bank = forms.ChoiceField(label="Bank for new items")
    new_bank = forms.RegexField(
        r"\A[a-z][a-z0-9_]{2,49}\Z",
        required=False,
        label="Name of the new bank",
        error_messages={"invalid": "Use 3 to 50 small letters, digits and underscores, beginning with a letter."},
    )
    title = forms.CharField(required=False, max_length=120, label="Title of the new bank")
    exam = forms.ChoiceField(label="Exam")
    objective = forms.ChoiceField(label="Objective")
    bloom = forms.ChoiceField(label="Bloom's level", choices=_words(BLOOM))
    difficulty = forms.ChoiceField(label="Difficulty", choices=_words(DIFFICULTIES))
    source_url = forms.URLField(label="Source", assume_scheme="https", max_length=300)
    source_dated = forms.DateField(label="Date of the source", widget=forms.DateInput(attrs={"type": "date"}))
    product_version = forms.CharField(label="Product version", max_length=80)
    expires_on = forms.DateField(label="Asked until", widget=forms.DateInput(attrs={"type": "date"}))
    declaration = forms.BooleanField(
        label="The wording may be used here, and none of it is recalled exam content.",
        error_messages={"required": "Only items that may be used here can be imported."},
    )

    def __init__(self, *args: Any, banks: Choices, exams: Choices, objectives: Choices, today: date, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.today = today
        self.banks = {slug for slug, _ in banks}
        self._choices("bank", [*((slug, f"{title} ({slug})") for slug, title in banks), ("", "A new bank")])
        self.fields["bank"].required = False
        self.fields["bank"].initial = banks[0][0] if banks else ""
        self._choices("exam", exams)
        self._choices("objective", objectives)
        self.fields["expires_on"].initial = today + timedelta(days=LONGEST_LIFE_DAYS)
        self.fields["bloom"].initial, self.fields["difficulty"].initial = "apply", "medium"

    def _choices(self, name: str, choices: Choices) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)
        field.choices = choices

    def clean_file(self) -> "UploadedFile[Any]":
        found: UploadedFile[Any] = self.cleaned_data["file"]
        if (found.size or 0) > MAX_UPLOAD_BYTES:
            raise forms.ValidationError(f"The file is larger than {MAX_UPLOAD_BYTES // 2**20} MB.")
        return found

    def clean_expires_on(self) -> date:
        found: date = self.cleaned_data["expires_on"]
        if not 0 < (found - self.today).days <= LONGEST_LIFE_DAYS:
            raise forms.ValidationError(f"Choose a day within the next {LONGEST_LIFE_DAYS} days.")
        return found

    def clean(self) -> dict[str, Any]:
        given = super().clean() or self.cleaned_data
        if not given.get("bank") and "new_bank" not in self.errors:
            slug = given.get("new_bank", "")
            if not slug or not given.get("title"):
                self.add_error("new_bank", "A new bank needs a name and a title.")
            elif slug in self.banks or f"{slug}.yaml" in NOT_BANKS:
                self.add_error("new_bank", f"The name {slug!r} is taken.")
        return given

    def wishes(self) -> Wishes:
        """What was chosen, as the import wants it."""
        given = self.cleaned_data
        names = ("exam", "objective", "bloom", "difficulty", "source_url", "product_version")
        defaults = {name: str(given[name]) for name in names}
        defaults |= {name: given[name].isoformat() for name in ("source_dated", "expires_on")}
        is_new = not given["bank"]
        return Wishes(given["new_bank"] if is_new else given["bank"], given["title"] if is_new else "", defaults)


class ConfirmInput(forms.Form):
    """Whether the others are imported when some are refused."""

    without_refused = forms.BooleanField(required=False)
