"""The embedding runtime of a jailed runner: texts to unit vectors; the only importer of tokenizers.

The tokenizer travels inside the model file (metadata property `tokenizer`), because a runner sees no other file.
"""

import os
from dataclasses import dataclass
from typing import Any

import numpy as np

os.environ["TOKENIZERS_PARALLELISM"] = "false"  # read at the import; threads would outlive the fork of a runner
import tokenizers

from sandbox.replicas.runtimes.onnx import session

TOKENIZER_KEY = "tokenizer"
MAX_TOKENS_KEY = "max_tokens"
BATCH_TEXTS = 32
BATCH_TOKENS = 2048
"""Texts times the tokens of the longest one; bounds the memory of one run."""


@dataclass(frozen=True)
class _Encoded:
    """One text as token ids and its place among the texts of the call."""

    place: int
    ids: list[int]


class EmbeddingRuntime:
    """One embedding model, ready to answer. Not thread-safe, and uses one thread."""

    def __init__(self, model_bytes: bytes) -> None:
        """Raises ValueError when the file carries no tokenizer, and onnxruntime's errors when it does not load."""
        self._session = session(model_bytes)
        metadata = self._session.get_modelmeta().custom_metadata_map
        if TOKENIZER_KEY not in metadata:
            raise ValueError("The model file carries no tokenizer: it was not made by convert_embedding_model.")
        self._max_tokens = int(metadata[MAX_TOKENS_KEY])
        self._tokenizer = tokenizers.Tokenizer.from_str(metadata[TOKENIZER_KEY])
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(self._max_tokens)
        self._dimensions = int(self._session.get_outputs()[0].shape[1])

    @property
    def signature(self) -> dict[str, Any]:
        """What goes in and comes out: texts, and so many numbers for each."""
        return {"input": "string", "dimensions": self._dimensions, "max_tokens": self._max_tokens}

    def describe(self) -> dict[str, Any]:
        """Plain data for the worker."""
        return {"signature": self.signature, "provider": self._session.get_providers()[0]}

    def predict(self, arrays: list[Any]) -> list[Any]:
        """The runner's form: one array of texts; for each text [vector, token count]."""
        vectors, counts = self.embed([str(text) for text in arrays[0]])
        return [list(pair) for pair in zip(vectors, counts, strict=True)]

    def embed(self, texts: list[str]) -> tuple[list[list[float]], list[int]]:
        """A unit vector for each text, and how many tokens it was read as; longer texts are cut at the model's limit."""
        encoded = [_Encoded(place, found.ids) for place, found in enumerate(map(self._tokenizer.encode, texts))]
        vectors: list[list[float]] = [[]] * len(texts)
        for batch in _batches(encoded):
            for item, vector in zip(batch, self._run(batch), strict=True):
                vectors[item.place] = vector
        return vectors, [len(item.ids) for item in encoded]

    def _run(self, batch: list[_Encoded]) -> list[list[float]]:
        ids = np.zeros((len(batch), max(len(item.ids) for item in batch)), dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, item in enumerate(batch):
            ids[row, : len(item.ids)] = item.ids
            mask[row, : len(item.ids)] = 1
        found = self._session.run(["embedding"], {"input_ids": ids, "attention_mask": mask})
        return found[0].tolist()  # type: ignore[no-any-return]  # NumPy says Any


def load(model_bytes: bytes) -> EmbeddingRuntime:
    """Make a model from the bytes of a stored file."""
    return EmbeddingRuntime(model_bytes)


def _batches(encoded: list[_Encoded]) -> list[list[_Encoded]]:
    """Texts of similar length together, so that little is computed for padding."""
    batches: list[list[_Encoded]] = []
    for item in sorted(encoded, key=lambda item: len(item.ids)):
        batch = batches[-1] if batches else []
        if batch and len(batch) < BATCH_TEXTS and (len(batch) + 1) * len(item.ids) <= BATCH_TOKENS:
            batch.append(item)
        else:
            batches.append([item])
    return batches
