"""Turns measurements into one table: JSON, Markdown, and the README's section."""

import json
import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

README_START, README_END = "<!-- bench -->", "<!-- /bench -->"


def targets(results: dict[str, Any]) -> list[tuple[str, str, bool]]:
    """(what, measured against wanted, reached)."""
    ours, theirs = results["ours"], results["mlflow_models_serve"]
    faster = ours["64"]["requests_per_s"] / theirs["64"]["requests_per_s"]
    tail = theirs["64"]["p99_ms"] / ours["64"]["p99_ms"]
    alone = theirs["1"]["p50_ms"] / ours["1"]["p50_ms"]
    cold, ready = results["cold_start_ms"]["median"], results["create_to_ready_s"]["median"]
    memory = results["memory"]["together_mb"]
    return [
        ("throughput at concurrency 64", f"{faster:.0f} × theirs (at least 80 ×)", faster >= 80),
        ("p99 at concurrency 64", f"1/{tail:.0f} of theirs (under 1/30)", tail > 30),
        ("p50 at concurrency 1", f"1/{alone:.1f} of theirs (at most 1/5)", alone >= 5),
        ("cold start from zero, median", f"{cold:.0f} ms (at most 600 ms)", cold <= 600),
        ("create to READY, median", f"{ready:.1f} s (at most 5 s)", ready <= 5),
        ("private memory of an idle replica", f"{memory:.0f} MB (at most 120 MB)", memory <= 120),
    ]


def machine() -> dict[str, Any]:
    names = [line.split(":")[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    memory_kb = next((int(line.split()[1]) for line in _lines("/proc/meminfo") if line.startswith("MemTotal")), 0)
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "cpu": names[0] if names else platform.machine(),
        "cores": os.cpu_count(),
        "memory_gb": round(memory_kb / 1024**2),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in ("mlflow", "scikit-learn", "celery", "uvicorn", "onnxruntime-gpu")},
    }


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines() if Path(path).exists() else []


def markdown(results: dict[str, Any]) -> str:
    lines = [
        "| | requests/s, c=1 | c=16 | c=64 | p50 c=1 | p99 c=1 | p50 c=16 | p99 c=16 | p50 c=64 | p99 c=64 |",
        "|---|---|---|---|---|---|---|---|---|---|",
        _row("Proving Ground", results["ours"]),
        _row("`mlflow models serve`", results["mlflow_models_serve"]),
        _ratio_row(results["ours"], results["mlflow_models_serve"]),
        "",
        "| | measured (wanted) | reached |",
        "|---|---|---|",
        *[f"| {what} | {measured} | {'yes' if reached else 'no'} |" for what, measured, reached in targets(results)],
        "",
        _footnote(results),
    ]
    return "\n".join(lines) + "\n"


def _footnote(results: dict[str, Any]) -> str:
    facts, memory = results["machine"], results["memory"]
    ready, cold = results["create_to_ready_s"]["all"], results["cold_start_ms"]["all"]
    return (
        f"Random forest of 100 trees, 20 features, one row per request, {results['seconds']:g} s each, the load generator on "
        f"the same machine ({facts['cores']} cores, {facts['memory_gb']} GB, {facts['cpu']}), {facts['date']}, "
        f"MLflow {facts['packages']['mlflow']}. Ours with authentication, an 80/20 split over two versions and capture on; "
        f"the split was {results['split']:.3f}. Every answer of both was compared with the model's own prediction. "
        f"Create to READY: {len(ready)} models that had never been built, slowest {max(ready):.1f} s. "
        f"Cold start: {len(cold)} in a row, slowest {max(cold):.0f} ms. Memory: worker {memory['worker_mb']} MB and jailed "
        f"runner {memory['runner_mb']} MB, median of {memory['replicas']} idle replicas."
    )


def _row(name: str, side: dict[str, Any]) -> str:
    rates = [f"{side[c]['requests_per_s']:,.0f}" for c in ("1", "16", "64")]
    times = [f"{side[c][key]:.2f} ms" for c in ("1", "16", "64") for key in ("p50_ms", "p99_ms")]
    return f"| {name} | {' | '.join([*rates, *times])} |"


def _ratio_row(ours: dict[str, Any], theirs: dict[str, Any]) -> str:
    rates = [f"{ours[c]['requests_per_s'] / theirs[c]['requests_per_s']:.1f} ×" for c in ("1", "16", "64")]
    times = [f"1/{theirs[c][key] / ours[c][key]:.1f}" for c in ("1", "16", "64") for key in ("p50_ms", "p99_ms")]
    return f"| ratio | {' | '.join([*rates, *times])} |"


def write(results: dict[str, Any], directory: Path) -> None:
    """bench.json and bench.md."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "bench.json").write_text(json.dumps(results, indent=2) + "\n")
    (directory / "bench.md").write_text(markdown(results))


def write_readme(results: dict[str, Any], readme: Path) -> None:
    """Replace the table between the two marks."""
    table, text = markdown(results), readme.read_text()
    if README_START in text:
        before, _, rest = text.partition(README_START)
        after = rest.partition(README_END)[2]
        readme.write_text(f"{before}{README_START}\n{table}{README_END}{after}")
