"""all-MiniLM-L6-v2 in plain numpy at full precision: what the small ONNX file is measured against."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

Floats = NDArray[np.float32]
Weights = dict[str, Floats]

LAYERS, HEADS, WIDTH = 6, 12, 384
EPSILON = 1e-12
MAX_TOKENS = 256
"""The model's limit (sentence_bert_config.json), [CLS] and [SEP] included."""


def read_safetensors(content: bytes) -> Weights:
    """The tensors of a safetensors file: an 8-byte length, a JSON header, then the raw little-endian data."""
    header_bytes = int.from_bytes(content[:8], "little")
    header: dict[str, Any] = json.loads(content[8 : 8 + header_bytes])
    data = memoryview(content)[8 + header_bytes :]
    weights: Weights = {}
    for name, entry in header.items():
        if name == "__metadata__" or entry["dtype"] != "F32":
            continue
        begin, end = entry["data_offsets"]
        weights[name] = np.frombuffer(data[begin:end], dtype="<f4").reshape(entry["shape"])
    return weights


def read_tokenizer(path: Path) -> Tokenizer:
    """The model's tokenizer without padding, cut at the model's limit (the file says 128, the model's config 256)."""
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS)
    return tokenizer


def embed_all(weights: Weights, tokenizer: Tokenizer, texts: Iterable[str]) -> Floats:
    """One unit vector of 384 numbers for each text."""
    return np.stack([embed(weights, np.array(tokenizer.encode(text).ids)) for text in texts])


def embed(weights: Weights, ids: NDArray[np.int64]) -> Floats:
    """The mean of the last layer over all tokens, scaled to length 1."""
    state = _embeddings(weights, ids)
    for layer in range(LAYERS):
        state = _layer(weights, f"encoder.layer.{layer}.", state)
    mean = state.mean(axis=0)
    return np.asarray(mean / np.linalg.norm(mean), dtype=np.float32)


def _embeddings(weights: Weights, ids: NDArray[np.int64]) -> Floats:
    words = weights["embeddings.word_embeddings.weight"][ids]
    places = weights["embeddings.position_embeddings.weight"][: len(ids)]
    kind = weights["embeddings.token_type_embeddings.weight"][0]
    return _normalised(weights, "embeddings.LayerNorm.", words + places + kind)


def _layer(weights: Weights, name: str, state: Floats) -> Floats:
    attended = _dense(weights, f"{name}attention.output.dense.", _attention(weights, f"{name}attention.self.", state))
    state = _normalised(weights, f"{name}attention.output.LayerNorm.", state + attended)
    inner = _gelu(_dense(weights, f"{name}intermediate.dense.", state))
    return _normalised(weights, f"{name}output.LayerNorm.", state + _dense(weights, f"{name}output.dense.", inner))


def _attention(weights: Weights, name: str, state: Floats) -> Floats:
    def heads(part: str) -> Floats:
        return _dense(weights, f"{name}{part}.", state).reshape(len(state), HEADS, -1).transpose(1, 0, 2)

    query, key, value = heads("query"), heads("key"), heads("value")
    scores = query @ key.transpose(0, 2, 1) / np.sqrt(np.float32(WIDTH // HEADS))
    shares = np.exp(scores - scores.max(axis=-1, keepdims=True))
    shares /= shares.sum(axis=-1, keepdims=True)
    return np.asarray((shares @ value).transpose(1, 0, 2).reshape(len(state), WIDTH), dtype=np.float32)


def _dense(weights: Weights, name: str, state: Floats) -> Floats:
    return np.asarray(state @ weights[f"{name}weight"].T + weights[f"{name}bias"], dtype=np.float32)


def _normalised(weights: Weights, name: str, state: Floats) -> Floats:
    centred = state - state.mean(axis=-1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + EPSILON)
    return np.asarray(scaled * weights[f"{name}weight"] + weights[f"{name}bias"], dtype=np.float32)


def _gelu(x: Floats) -> Floats:
    return np.asarray(0.5 * x * (1 + _erf(x / np.sqrt(np.float32(2)))), dtype=np.float32)


def _erf(x: Floats) -> Floats:
    """Error function to 1.5e-7 (Abramowitz and Stegun 7.1.26)."""
    sign, x = np.sign(x), np.abs(x).astype(np.float64)
    t = 1 / (1 + 0.3275911 * x)
    series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    return np.asarray(sign * (1 - series * np.exp(-x * x)), dtype=np.float32)
