"""Take a secret out of everything that a provider answers, whatever form it comes back in."""

import base64
from typing import Any
from urllib.parse import quote

import orjson

REDACTED = "[REDACTED]"


class Redactor:
    """Replaces one live secret: plain, percent-encoded and inside base64 at each of the three alignments."""

    def __init__(self, secret: str) -> None:
        self._forms = sorted(_forms(secret), key=len, reverse=True) if secret else []

    def text(self, text: str) -> str:
        for form in self._forms:
            text = text.replace(form, REDACTED)
        return text

    def body(self, content: bytes) -> bytes:
        """A body without the secret; the strings of a JSON body are looked at as their reader sees them."""
        if not self._forms:
            return content
        try:
            value = orjson.loads(content)
        except orjson.JSONDecodeError:
            return self._raw(content)
        clean = self.value(value)
        return content if clean == value else orjson.dumps(clean)

    def value(self, value: Any) -> Any:
        """The same JSON value without the secret, in keys too."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.value(item) for item in value]
        if isinstance(value, dict):
            return {self.text(key): self.value(item) for key, item in value.items()}
        return value

    def line(self, line: bytes) -> bytes:
        """One line of an event stream, without its end."""
        prefix = b"data: "
        if line.startswith(prefix):
            return prefix + self.body(line[len(prefix) :])
        return self._raw(line)

    def _raw(self, content: bytes) -> bytes:
        for form in self._forms:
            content = content.replace(form.encode(), REDACTED.encode())
        return content


def _forms(secret: str) -> set[str]:
    forms = {secret, quote(secret, safe="")}
    for skipped in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            whole = encode(b"\0" * skipped + secret.encode()).decode().rstrip("=")
            # the first characters mix with what precedes the secret, the last one with what follows it
            inner = whole[(0, 2, 3)[skipped] :]
            forms.add(inner[:-1] if (len(secret) + skipped) % 3 else inner)
    return {form for form in forms if len(form) >= 8}
