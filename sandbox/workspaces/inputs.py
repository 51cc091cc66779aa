"""Forms of the token and secret pages."""

from django import forms

from sandbox.workspaces.secret_store import NAME


class TokenInput(forms.Form):
    """What a new access token is for and how long it lives."""

    LIFETIMES = (("1", "1 day"), ("7", "7 days"), ("90", "90 days"), ("", "No expiry"))

    comment = forms.CharField(max_length=200, required=False, label="What is it for?")
    lifetime_days = forms.ChoiceField(choices=LIFETIMES, required=False, label="Lifetime", initial="90")

    def lifetime_s(self) -> int | None:
        """Seconds, None for no expiry."""
        days = self.cleaned_data["lifetime_days"]
        return int(days) * 24 * 3600 if days else None


class SecretInput(forms.Form):
    """A secret to write; its scope is made when it is new."""

    name_rule = "Use letters, digits, dashes, underscores, periods or @, at most 128."

    scope = forms.RegexField(NAME, label="Scope", error_messages={"invalid": name_rule})
    key = forms.RegexField(NAME, label="Key", error_messages={"invalid": name_rule})
    value = forms.CharField(label="Value", strip=False, max_length=65_536)
