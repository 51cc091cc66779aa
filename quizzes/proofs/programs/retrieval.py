"""Programs about retrieval: they embed texts with the real embeddings endpoint and compare the vectors."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from quizzes.proofs.client import ProofClient, ProofCouldNotRun
from quizzes.proofs.facts import answer_facts, parsed
from quizzes.proofs.observation import Observation
from quizzes.proofs.programs.chat_requests import external_endpoint
from quizzes.proofs.programs.foundation_models import EMBEDDINGS
from quizzes.proofs.programs.program import Program

Vector = Sequence[float]
SAME = 0.9999
"""Cosine similarity from which two vectors count as the same: batches are padded, which moves the last digits."""


def rank(client: ProofClient, query: str, passages: Mapping[str, str], by: str = "cosine", chunk_words: int = 0) -> Observation:
    """Order the passages (name to text) by their likeness to the query.

    `by`: cosine, dot, distance, length or words (shared words). With `chunk_words` each passage counts as its best chunk of so
    many words.
    """
    pieces = [(name, piece) for name, text in passages.items() for piece in _chunks(text, chunk_words)]
    vectors = _embed(client, [query, *(piece for _, piece in pieces)])
    scored: dict[str, float] = {}
    for (name, piece), vector in zip(pieces, vectors[1:], strict=True):
        score = _score(by, query, piece, vectors[0], vector)
        scored[name] = max(score, scored.get(name, -math.inf))
    order = sorted(scored, key=lambda name: scored[name], reverse=True)
    facts = {"status": 200, "order": order, "first": order[0], "last": order[-1], "pieces": len(pieces)}
    facts |= {f"score_{name}": round(score, 3) for name, score in scored.items()}
    rows = [{"rank": place, "passage": name, by: round(scored[name], 3)} for place, name in enumerate(order, 1)]
    return Observation(facts, client.exchanges, rows)


def compare_texts(
    client: ProofClient, one: str, other: str, instruction: str = "", more: Mapping[str, Any] | None = None
) -> Observation:
    """Embed two texts one after the other; `instruction` and the fields of `more` go with the second request."""
    first = _embed(client, [one])[0]
    second = _embed(client, [other], **({"instruction": instruction} if instruction else {}), **(more or {}))[0]
    return Observation(_likeness(first, second), client.exchanges, [{"text": text[:80]} for text in (one, other)])


def embed_in_a_batch(client: ProofClient, texts: Sequence[str]) -> Observation:
    """Embed the texts in one request and each alone: number, order, values and counted tokens."""
    together = client.invoke(EMBEDDINGS, {"input": list(texts)})
    body = parsed(together) or {}
    alone = [client.invoke(EMBEDDINGS, {"input": text}) for text in texts]
    bodies = [parsed(exchange) or {} for exchange in alone]
    batch = [entry["embedding"] for entry in body.get("data") or []]
    single = [each["data"][0]["embedding"] for each in bodies if each.get("data")]
    pairs = list(zip(batch, single, strict=False))
    facts = {
        **answer_facts(together),
        "vectors": len(batch),
        "indexes": [entry.get("index") for entry in body.get("data") or []],
        "same_as_alone": bool(pairs) and all(_cosine(one, other) > SAME for one, other in pairs),
        "tokens_together": (body.get("usage") or {}).get("prompt_tokens", 0),
        "tokens_alone": sum((each.get("usage") or {}).get("prompt_tokens", 0) for each in bodies),
    }
    facts["tokens_are_the_sum"] = facts["tokens_together"] == facts["tokens_alone"]
    return Observation(facts, client.exchanges, [{"index": index, "dimensions": len(v)} for index, v in enumerate(batch)])


def repeat_a_text(client: ProofClient, text: str) -> Observation:
    """Embed the same text twice, in two requests."""
    return compare_texts(client, text, text)


def add_to_a_long_text(
    client: ProofClient, sentence: str, repeat: int, end: str, more: Mapping[str, Any] | None = None
) -> Observation:
    """Embed `sentence` `repeat` times, without and with `end` behind it; the fields of `more` go with the second request."""
    long = " ".join([sentence] * repeat)
    return compare_texts(client, long, f"{long} {end}", more=more)


def compare_models(client: ProofClient, text: str, model: str = "text-embedding-3-small") -> Observation:
    """Embed one text with the preconfigured endpoint and with an external embeddings model."""
    hosted = _embed(client, [text])[0]
    name = external_endpoint(client, model, "llm/v1/embeddings", "embeddings")
    asked = client.invoke(name, {"input": [text]})
    external = (parsed(asked) or {}).get("data", [{}])[0].get("embedding", [])
    facts = {
        **answer_facts(asked),
        "dimensions_hosted": len(hosted),
        "dimensions_external": len(external),
        "same_dimensions": len(hosted) == len(external),
    }
    rows = [{"endpoint": EMBEDDINGS, "dimensions": len(hosted)}, {"endpoint": model, "dimensions": len(external)}]
    return Observation(facts, client.exchanges, rows)


def embed_body(client: ProofClient, body: Mapping[str, Any]) -> Observation:
    """Send exactly this body to the preconfigured embeddings endpoint."""
    asked = client.invoke(EMBEDDINGS, dict(body))
    answer = parsed(asked)
    data = answer.get("data") or [] if isinstance(answer, dict) else []
    return Observation({**answer_facts(asked), "vectors": len(data)}, client.exchanges)


def change_preconfigured(client: ProofClient, method: str, path: str = "", body: Mapping[str, Any] | None = None) -> Observation:
    """Call the management API for the preconfigured endpoint, then ask it for a vector."""
    tried = client.http(method, f"/api/2.0/serving-endpoints/{EMBEDDINGS}{path}", body)
    after = client.invoke(EMBEDDINGS, {"input": "still there?"})
    shown = parsed(tried)
    entities = (shown.get("config") or {}).get("served_entities") or [{}] if isinstance(shown, dict) else [{}]
    facts = {
        **answer_facts(tried),
        "answers_afterwards": after.status == 200,
        "entity_name": entities[0].get("entity_name", ""),
        "has_external_model": any("external_model" in entity for entity in entities),
        "task": shown.get("task", "") if isinstance(shown, dict) else "",
        "permission_level": shown.get("permission_level", "") if isinstance(shown, dict) else "",
    }
    return Observation(facts, client.exchanges)


# --- steps ----------------------------------------------------------------------------------------


def _embed(client: ProofClient, texts: Sequence[str], **more: Any) -> list[Vector]:
    """The vectors of the texts; ProofCouldNotRun when the endpoint refuses them."""
    asked = client.invoke(EMBEDDINGS, {"input": list(texts), **more})
    body = parsed(asked)
    if asked.status != 200 or not isinstance(body, dict):
        raise ProofCouldNotRun(f"{EMBEDDINGS} answered {asked.status}: {asked.response_body[:200]}")
    return [entry["embedding"] for entry in body["data"]]


def _likeness(one: Vector, other: Vector) -> dict[str, Any]:
    cosine = _cosine(one, other)
    return {
        "status": 200,
        "cosine": round(cosine, 3),
        "same_vector": cosine > SAME,
        "dot_is_cosine": abs(_dot(one, other) - cosine) < 1e-3,
        "norm": round(math.sqrt(_dot(one, one)), 3),
        "same_dimensions": len(one) == len(other),
    }


def _chunks(text: str, words: int) -> list[str]:
    if not words:
        return [text]
    split = text.split()
    return [" ".join(split[start : start + words]) for start in range(0, len(split), words)]


def _score(by: str, query: str, piece: str, query_vector: Vector, vector: Vector) -> float:
    """Higher is better, whatever the measure."""
    measures: dict[str, Callable[[], float]] = {
        "cosine": lambda: _cosine(query_vector, vector),
        "dot": lambda: _dot(query_vector, vector),
        "distance": lambda: -math.dist(query_vector, vector),
        "length": lambda: float(len(piece)),
        "words": lambda: float(len(_words(query) & _words(piece))),
    }
    return measures[by]()


def _words(text: str) -> set[str]:
    return set(re.findall(r"[a-z]+", text.lower()))


def _dot(one: Vector, other: Vector) -> float:
    return sum(x * y for x, y in zip(one, other, strict=True))


def _cosine(one: Vector, other: Vector) -> float:
    return _dot(one, other) / math.sqrt(_dot(one, one) * _dot(other, other))


PROGRAMS: dict[str, Program] = {
    "rank": Program(rank, needs_models=False),
    "compare_texts": Program(compare_texts, needs_models=False),
    "embed_in_a_batch": Program(embed_in_a_batch, needs_models=False),
    "repeat_a_text": Program(repeat_a_text, needs_models=False),
    "add_to_a_long_text": Program(add_to_a_long_text, needs_models=False),
    "compare_models": Program(compare_models, needs_models=False),
    "embed_body": Program(embed_body, needs_models=False),
    "change_preconfigured": Program(change_preconfigured, needs_models=False),
}
