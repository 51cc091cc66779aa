"""The committed embedding model: as good as the original, and sound at its limits."""

import hashlib
import math
import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from django.conf import settings
from numpy.typing import NDArray

from sandbox.replicas.runtimes import embedding
from sandbox.replicas.runtimes.embedding import EmbeddingRuntime

MODELS = Path(settings.FIXTURES_DIR) / "models"
FOLDER = MODELS / "all-minilm-l6-v2"
CONTENT = (MODELS / "all-minilm-l6-v2.onnx").read_bytes()


@pytest.fixture(scope="module")
def model() -> EmbeddingRuntime:
    return embedding.load(CONTENT)


def vectors(model: EmbeddingRuntime, texts: list[str]) -> NDArray[np.float64]:
    return np.array(model.embed(texts)[0])


def test_it_is_as_good_as_the_original(model: EmbeddingRuntime) -> None:
    texts = (FOLDER / "sentences.txt").read_text().splitlines()
    originals = np.load(FOLDER / "reference_vectors.npy").astype(np.float64)
    assert len(texts) == len(originals) >= 200
    found = vectors(model, texts)
    assert found.shape == (len(texts), 384)
    cosines = np.sum(found * originals, axis=1) / np.linalg.norm(originals, axis=1)
    assert cosines.min() >= 0.99
    assert cosines.mean() >= 0.999


def test_it_gives_the_similarities_that_its_authors_publish(model: EmbeddingRuntime) -> None:
    weather, sun, stadium = vectors(model, ["The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium."])
    assert weather @ sun == pytest.approx(0.6660, abs=0.01)
    assert weather @ stadium == pytest.approx(0.1046, abs=0.01)
    assert sun @ stadium == pytest.approx(0.1411, abs=0.01)


def test_a_text_s_vector_does_not_depend_on_its_neighbours(model: EmbeddingRuntime) -> None:
    texts = ["short", "a much longer text " * 20, "x", "another one", "word " * 400] * 8
    together = vectors(model, texts)
    for text, vector in list(zip(texts, together, strict=True))[:5]:
        assert np.abs(vectors(model, [text])[0] - vector).max() < 1e-5
    assert np.allclose(np.linalg.norm(together, axis=1), 1.0, atol=1e-5)


def test_token_counts_and_the_limit(model: EmbeddingRuntime) -> None:
    assert model.embed(["hello world"])[1] == [4]  # with [CLS] and [SEP]
    _, counts = model.embed(["word " * 300, "word " * 254, ""])
    assert counts == [256, 256, 2]
    assert np.allclose(vectors(model, ["word " * 300]), vectors(model, ["word " * 254]), atol=1e-5)
    assert all(math.isfinite(x) for x in model.embed([""])[0][0])


def test_the_runner_s_form(model: EmbeddingRuntime) -> None:
    answers = model.predict([np.array(["hello world", "bye"], dtype=object)])
    assert [count for _, count in answers] == [4, 3]
    assert answers[0][0] == pytest.approx(model.embed(["hello world"])[0][0], abs=1e-5)
    assert model.describe()["signature"] == {"input": "string", "dimensions": 384, "max_tokens": 256}


def test_the_file_is_what_its_card_says() -> None:
    card = (FOLDER / "card.md").read_text()
    assert hashlib.sha256(CONTENT).hexdigest() in card
    assert "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db" in card
    assert len(CONTENT) < 25_000_000
    said = re.search(r"lowest ([\d.]+), mean", card)
    assert said
    assert float(said[1]) >= 0.99


def test_the_file_keeps_to_the_standard_operators() -> None:
    model = onnx.load_from_string(CONTENT)
    assert [entry.domain for entry in model.opset_import] == [""]
    assert {node.op_type for node in model.graph.node}.isdisjoint({"Loop", "Scan", "If"})
    assert all(tensor.data_location == onnx.TensorProto.DEFAULT for tensor in model.graph.initializer)


def test_a_file_without_a_tokenizer_is_refused() -> None:
    model = onnx.load_from_string(CONTENT)
    del model.metadata_props[:]
    with pytest.raises(ValueError, match="carries no tokenizer"):
        embedding.load(model.SerializeToString())
