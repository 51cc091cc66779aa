"""Django form classes: what people type, checked (`Form` is always the exam form, so these end in Input)."""

from django import forms

from quizzes.models import Cohort
from quizzes.models.cohorts import JOIN_CODE_LENGTH


class AnswerInput(forms.Form):
    """The number of the chosen option, and which submission to this question it is."""

    option = forms.IntegerField(min_value=1, max_value=9, error_messages={"required": "Choose an option first."})
    sequence = forms.IntegerField(min_value=1, max_value=99)


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
