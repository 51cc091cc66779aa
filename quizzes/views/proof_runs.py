"""What the fragment of a proof's replay shows."""

import json
from typing import Any

from django.urls import reverse

from quizzes.models import ItemVariant, Option, ProofRun
from quizzes.proofs.targets import Target, must_hold, version_of


def prove_url(target: Target) -> str:
    """Where a replay of this proof is started."""
    kind = "options" if isinstance(target, Option) else "variants" if isinstance(target, ItemVariant) else "versions"
    return reverse("prove", args=[kind, target.pk])


def proof_view(run: ProofRun) -> dict[str, Any]:
    """State, verdict, comparisons, rows and exchanges of a replay."""
    rows = run.observation.get("rows") or []
    target = run.target
    return {
        "run": run,
        "url": prove_url(target),
        "holds": must_hold(target),
        "item": version_of(target).item,
        "is_waiting": run.state in {ProofRun.State.QUEUED, ProofRun.State.RUNNING},
        "exchanges": [_readable(exchange) for exchange in run.observation.get("exchanges") or []],
        "comparisons": run.observation.get("comparisons") or [],
        "columns": list(rows[0]) if rows else [],
        "rows": [list(row.values()) for row in rows],
    }


def _readable(exchange: dict[str, Any]) -> dict[str, Any]:
    """The exchange with JSON bodies indented; what is no JSON (or was cut) stays as it is."""
    return {
        **exchange,
        "request_body": _indented(exchange["request_body"]),
        "response_body": _indented(exchange["response_body"]),
    }


def _indented(body: str) -> str:
    try:
        return json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except ValueError:
        return body
