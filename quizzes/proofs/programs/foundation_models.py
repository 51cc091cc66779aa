"""Programs about the models that are there without being deployed."""

from collections.abc import Sequence

from quizzes.proofs.client import ProofClient
from quizzes.proofs.facts import answer_facts, parsed
from quizzes.proofs.observation import Observation
from quizzes.proofs.programs.program import Program

EMBEDDINGS = "databricks-bge-large-en"


def embed(client: ProofClient, texts: Sequence[str]) -> Observation:
    """Query the preconfigured embeddings endpoint, nothing created before."""
    asked = client.invoke(EMBEDDINGS, {"input": list(texts)})
    body = parsed(asked) or {}
    usage = body.get("usage") or {}
    entries = [entry for entry in body.get("data") or [] if isinstance(entry, dict)]
    facts = {
        **answer_facts(asked),
        "object": body.get("object", ""),
        "keys": sorted(body),
        "vectors": sum(isinstance(entry.get("embedding"), list) for entry in entries),
        "usage_keys": sorted(usage),
        "prompt_tokens": usage.get("prompt_tokens", 0),
        "header_names": sorted(asked.response_headers),
    }
    rows = [{"index": entry.get("index"), "dimensions": len(entry.get("embedding", []))} for entry in entries]
    return Observation(facts, client.exchanges, rows)


def openai_embeddings(client: ProofClient, base: str, model: str) -> Observation:
    """What the openai client sends for `embeddings.create`: POST {base_url}/embeddings with the model's name in the body."""
    asked = client.http("POST", f"{base}/embeddings", {"model": model, "input": ["late invoice"]})
    body = parsed(asked)
    vectors = len(body.get("data") or []) if isinstance(body, dict) and asked.status == 200 else 0
    return Observation({**answer_facts(asked), "vectors": vectors}, client.exchanges)


PROGRAMS: dict[str, Program] = {
    "embed": Program(embed, needs_models=False),
    "openai_embeddings": Program(openai_embeddings, needs_models=False),
}
