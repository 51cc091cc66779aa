"""The embedding model: bodies with `input` become texts; answers have OpenAI's shape.

Shape: serving_semantics B2 (embeddings); token counts are the tokenizer's own.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from sandbox.replicas.frames import encode_arrays
from sandbox.replicas.requests import InputError, Pending, RequestAnswer, refused

MAX_TEXTS = 150
"""Texts in one request; the documentation gives no number for this model (assumed)."""
MODEL_LABEL = "databricks-bge-large-en (miniature: all-MiniLM-L6-v2)"


@dataclass
class TextBatch:
    """Requests whose texts are embedded together."""

    requests: list[Pending]
    counts: list[int]
    parts: tuple[bytes, ...]

    def split(self, values: list[Any]) -> Iterator[tuple[Pending, list[Any]]]:
        """Each request with its own [vector, token count] pairs."""
        start = 0
        for request, count in zip(self.requests, self.counts, strict=True):
            yield request, values[start : start + count]
            start += count


class EmbeddingsTask:
    """Reads `{"input": "text"}` or `{"input": ["text", …]}`."""

    def __init__(self, description: dict[str, Any]) -> None:
        self.description = description

    def batch(self, requests: list[Pending]) -> TextBatch:
        good: list[Pending] = []
        counts: list[int] = []
        texts: list[str] = []
        for request in requests:
            try:
                found = _texts(request.read())
            except InputError as error:
                request.answer = refused(error)
                continue
            good.append(request)
            counts.append(len(found))
            texts += found
        if not good:
            return TextBatch([], [], ())
        return TextBatch(good, counts, encode_arrays([np.array(texts, dtype=object)]))

    def answer(self, request: Pending, rows: list[Any]) -> RequestAnswer:
        """One embedding for each text, in order, and the tokens that they took."""
        tokens = sum(count for _, count in rows)
        body = {
            "object": "list",
            "data": [{"object": "embedding", "index": i, "embedding": vector} for i, (vector, _) in enumerate(rows)],
            "model": MODEL_LABEL,
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        }
        return RequestAnswer(200, orjson.dumps(body).decode())


def _texts(payload: dict[str, Any]) -> list[str]:
    if "input" not in payload:
        raise InputError(
            "BAD_REQUEST", f"Missing required field 'input': a text or a list of texts. Received fields: {sorted(payload)}."
        )
    given = payload["input"]
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) and text for text in texts):
        raise InputError("BAD_REQUEST", "Field 'input' must be a non-empty text or a non-empty list of non-empty texts.")
    if len(texts) > MAX_TEXTS:
        raise InputError("BAD_REQUEST", f"Field 'input' has {len(texts)} texts; at most {MAX_TEXTS} are allowed in one request.")
    instruction = payload.get("instruction")
    return [f"{instruction} {text}" for text in texts] if isinstance(instruction, str) and instruction else texts
