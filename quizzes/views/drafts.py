"""What an author has typed: as YAML, or in the form, which becomes YAML here; nothing typed is lost when it cannot."""

from dataclasses import dataclass, field
from typing import Any

from django.http import HttpRequest

from quizzes.bank_files import BankFileError, read_catalogue
from quizzes.findings import Finding
from quizzes.inputs import DraftInput
from quizzes.item_form import lines
from quizzes.item_form.fields import KINDS, MAX_OPTIONS, FormItem, done, problems, read_sent
from quizzes.item_form.mapping_lines import NotForThisForm
from quizzes.lint_rules import BLOOM, DIFFICULTIES, LANGUAGES
from quizzes.misconceptions import sentence_of, sentences
from quizzes.models import Item
from quizzes.publishing import Draft, bank_with, banks_folder

FORM, YAML = "form", "yaml"
FIELD_OF_RULE = {"question": "stem", "negative_stem": "stem", "stimulus": "stimulus_code", "proofs": "no_proof"}
"""Beside which field the linter's words stand too, where the rule names but one."""


@dataclass
class Typed:
    """A draft, and the form that it was typed in; `text` of the draft is what the form comes to."""

    draft: Draft
    form: FormItem | None = None
    """None: it was typed as YAML."""
    began_from: str = ""
    """The YAML that the form was opened with: its options are numbered by it."""
    errors: dict[str, str] = field(default_factory=dict)
    """By field of the form."""
    problem: str = ""
    """Why the form could not be written."""
    lost_comments: tuple[str, ...] = ()


def typed(request: HttpRequest, key: str, bank: str = "", *, is_new: bool = False) -> Typed:
    """The draft that was sent."""
    given = DraftInput(request.POST)
    text = str(given.cleaned_data.get("text", "")) if given.is_valid() else str(request.POST.get("text", ""))[:60_000]
    known = Item.objects.filter(key=key).first()
    bank = bank or (known.bank if known else str(given.cleaned_data.get("bank", "")) if given.is_valid() else "")
    draft = Draft(bank, key, text, is_new=is_new or known is None)
    return _of_form(request, draft) if "form" in request.POST else Typed(draft)


def _of_form(request: HttpRequest, draft: Draft) -> Typed:
    """The form's YAML; when it cannot be written, the draft is what the form began from and the form is kept."""
    try:
        bank_text, where = bank_with(draft)
        form = read_sent(request.POST.getlist, lines.form_of(bank_text, draft.key, where).kind)
    except BankFileError as error:
        return Typed(draft, problem=str(error))
    form = done(form, str(request.POST.get("do", "")))
    found = Typed(draft, form, draft.text, problems(form))
    try:
        written = lines.write(bank_text, draft.key, where, form)
    except (NotForThisForm, BankFileError) as error:
        found.problem = str(error)
        return found
    found.draft = Draft(draft.bank, draft.key, written.text, is_new=draft.is_new)
    found.lost_comments = written.lost_comments
    return found


def opened(draft: Draft) -> Typed:
    """The form of a draft in YAML; without one when the draft cannot be read, or is of a kind that is written as YAML."""
    try:
        bank_text, where = bank_with(draft)
        form = lines.form_of(bank_text, draft.key, where)
        if form.kind in KINDS:
            lines.write(bank_text, draft.key, where, form)
            return Typed(draft, form, draft.text)
    except (NotForThisForm, BankFileError, AttributeError, TypeError, ValueError) as error:
        return Typed(draft, problem=f"It cannot be shown as a form: {error}")
    return Typed(draft)


def form_view(found: Typed, findings: list[Finding]) -> dict[str, Any]:
    """What the form's template shows; empty when the draft is shown as YAML."""
    form = found.form
    if form is None:
        return {}
    errors = dict(found.errors)
    for finding in findings:
        name = FIELD_OF_RULE.get(finding.rule)
        if name and finding.level == "error":
            errors.setdefault(name, finding.message)
    catalogue = read_catalogue(banks_folder())
    return {
        "form": form,
        "began_from": found.began_from,
        "fields": {name: {"value": value, "error": errors.get(name, "")} for name, value in form.fields.items()},
        "key_error": errors.get("key", ""),
        "options": [
            {
                "option": option,
                "belief": sentence_of(option.misconception) if option.misconception else "",
                "errors": {name: errors.get(f"{name}-{option.name}", "") for name in ("text", "rationale", "misconception")},
            }
            for option in form.options
        ],
        "may_add": len(form.options) < MAX_OPTIONS,
        "exams": [(exam["slug"], exam["name"]) for exam in catalogue.exams],
        "objectives": [(objective["slug"], objective["name"]) for objective in catalogue.objectives],
        "levels": BLOOM,
        "difficulties": DIFFICULTIES,
        "languages": LANGUAGES,
        "beliefs": sorted(sentences().items()),
    }
