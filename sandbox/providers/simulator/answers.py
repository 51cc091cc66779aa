"""What the simulator says: a pure function of the prompt, short and about it."""

import ast
import hashlib
import json
import math
import operator
import re
from collections.abc import Callable

_TOKENS = re.compile(r"\w+|[^\w\s]")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
_ARITHMETIC = re.compile(r"[-+*/().\d\s]*\d\s*[-+*/]\s*[-+*/().\d\s]*\d[)\s]*")
_OPERATORS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_GOOD = frozenset(["excellent", "fast", "friendly", "good", "great", "happy", "helpful", "like", "love", "nice", "reliable"])
_BAD = frozenset(["angry", "awful", "bad", "broken", "cancel", "expensive", "hate", "poor", "rude", "slow", "terrible", "worst"])


def tokens(text: str) -> list[str]:
    """Words and punctuation marks: what this simulator counts as tokens."""
    return _TOKENS.findall(text)


def reply(prompt: str, model: str, *, as_json: bool) -> str:
    """The answer to the last thing that the user said."""
    text = _answer(prompt.strip(), model)
    return json.dumps({"answer": text}) if as_json else text


def _answer(prompt: str, model: str) -> str:
    asked = prompt.lower()
    if "sentiment" in asked or "positive or negative" in asked:
        return _sentiment(prompt)
    if asked.startswith(("summarize", "summarise")) or "in one sentence" in asked:
        return _summary(prompt)
    result = _calculate(prompt)
    if result is not None:
        return result
    words = len(tokens(prompt))
    return (
        f'You said: "{_shortened(prompt)}" ({words} tokens). '
        f"I am the provider simulator answering as {model}: the same prompt always gets the same answer."
    )


def _shortened(text: str, limit: int = 160) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= limit else flat[: limit - 1].rstrip() + "…"


def _sentiment(prompt: str) -> str:
    said = prompt.split(":", 1)[-1].lower()
    words = re.findall(r"[a-z]+", said)
    score = sum(word in _GOOD for word in words) - sum(word in _BAD for word in words)
    return "positive" if score > 0 else "negative" if score < 0 else "neutral"


def _summary(prompt: str) -> str:
    text = prompt.split(":", 1)[-1].strip()
    return _shortened(_SENTENCE_END.split(text)[0], 200)


def _calculate(prompt: str) -> str | None:
    """The value of the first sum in the prompt, such as 12 * (3 + 4); None when there is none."""
    found = _ARITHMETIC.search(prompt)
    if found is None or len(found[0]) > 100:
        return None
    try:
        value = _value(ast.parse(found[0].strip(), mode="eval").body)
    except (SyntaxError, ValueError, ZeroDivisionError, OverflowError, RecursionError):
        return None
    return f"{' '.join(found[0].split())} = {value:g}"


def _value(node: ast.expr) -> float:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return float(node.value)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_value(node.operand)
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        return _OPERATORS[type(node.op)](_value(node.left), _value(node.right))
    raise ValueError("not a sum")


def cut(text: str, max_tokens: int | None, stop: list[str]) -> tuple[str, str]:
    """The text up to a stop sequence or the token limit, and the finish reason."""
    ends = [text.index(word) for word in stop if word and word in text]
    text = text[: min(ends)] if ends else text
    found = list(_TOKENS.finditer(text))
    if max_tokens is not None and len(found) > max_tokens:
        return text[: found[max_tokens - 1].end()], "length"
    return text, "stop"


def embedding(text: str, dimensions: int) -> list[float]:
    """A unit vector in which texts that share words are close: each token adds to places chosen by its hash."""
    vector = [0.0] * dimensions
    for token in tokens(text.lower()) or [""]:
        digest = hashlib.sha256(token.encode()).digest()
        for start in range(0, 32, 4):
            place = int.from_bytes(digest[start : start + 3], "big") % dimensions
            vector[place] += 1.0 if digest[start + 3] & 1 else -1.0
    length = math.sqrt(sum(x * x for x in vector)) or 1.0
    return [x / length for x in vector]
