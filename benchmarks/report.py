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
    """(what, measured against wanted, reached). Peers that could not be installed are left out."""
    ours, sides = results["ours"], results["sides"]
    return [
        *_throughput(ours["one_row"], sides),
        *_latency(ours["one_row"], sides),
        *_rows(ours["many_rows"], sides),
        *_own(results),
        *_catalog(results["catalog"]),
        *features(results["features"]),
    ]


def _throughput(ours: dict[str, Any], sides: dict[str, Any]) -> list[tuple[str, str, bool]]:
    found = []
    for names, factor in ((("LitServe", "MLServer"), 5), (("BentoML", "Ray Serve"), 15), (("mlflow models serve",), 100)):
        rates = {name: sides[name]["one_row"]["64"]["requests_per_s"] for name in names if name in sides}
        if rates:
            best = max(rates, key=lambda name: rates[name])
            times = ours["64"]["requests_per_s"] / rates[best]
            what = f"throughput at c=64 against {' and '.join(rates)}"
            found.append((what, f"{times:.1f} × {best} (at least {factor} ×)", times >= factor))
    return found


def _latency(ours: dict[str, Any], sides: dict[str, Any]) -> list[tuple[str, str, bool]]:
    found = []
    for concurrency in ours:
        name = min(sides, key=lambda name: sides[name]["one_row"][concurrency]["p99_ms"])
        best, own = sides[name]["one_row"][concurrency]["p99_ms"], ours[concurrency]["p99_ms"]
        found.append((f"p99 at c={concurrency}", f"{own:.1f} ms, {name} {best:.1f} ms (below every peer)", own < best))
    name = min(sides, key=lambda name: sides[name]["one_row"]["1"]["p50_ms"])
    best, own = sides[name]["one_row"]["1"]["p50_ms"], ours["1"]["p50_ms"]
    mlflow = sides["mlflow models serve"]["one_row"]
    found.append(("p50 at c=1", f"{own:.2f} ms, {name} {best:.2f} ms (below every peer)", own < best))
    alone, tail = mlflow["1"]["p50_ms"] / own, mlflow["64"]["p99_ms"] / ours["64"]["p99_ms"]
    found.append(("p50 at c=1 against mlflow models serve", f"1/{alone:.1f} (at most 1/5)", alone >= 5))
    found.append(("p99 at c=64 against mlflow models serve", f"1/{tail:.0f} (under 1/30)", tail > 30))
    return found


def _rows(ours: dict[str, Any], sides: dict[str, Any]) -> list[tuple[str, str, bool]]:
    found = []
    for concurrency, own in ours.items():
        rates = {name: side["many_rows"][concurrency]["requests_per_s"] for name, side in sides.items()}
        best = max(rates, key=lambda name: rates[name])
        times = own["requests_per_s"] / rates[best]
        found.append((f"rows/s, 100 rows per request, c={concurrency}", f"{times:.1f} × {best} (at least 3 ×)", times >= 3))
    return found


def _own(results: dict[str, Any]) -> list[tuple[str, str, bool]]:
    """What is measured against ourselves and against the bare server."""
    share = results["ours"]["one_row"]["64"]["requests_per_s"] / results["constant"]["64"]["requests_per_s"]
    neighbours = results["neighbours"]
    among = neighbours["among"]["p99_ms"] / neighbours["alone"]["p99_ms"]
    cold, ready = results["cold_start_ms"]["median"], results["create_to_ready_s"]["median"]
    memory, nodes = results["memory"]["together_mb"], results["nodes"]
    second = nodes["two"]["requests_per_s"] / nodes["one"]["requests_per_s"]
    return [
        ("throughput at c=64 against the HTTP server alone", f"{share:.2f} (at least 0.25)", share >= 0.25),
        (f"p99 at c=64 among {neighbours['endpoints']} other endpoints", f"{among:.2f} × alone (at most 1.2 ×)", among <= 1.2),
        (
            f"a second node, a heavy model, {nodes['rows']} rows per request",
            f"{second:.2f} × the throughput of one (more than 1 ×)",
            second > 1.1,
        ),
        ("cold start from zero, median", f"{cold:.0f} ms (at most 400 ms)", cold <= 400),
        ("create to READY, median", f"{ready:.1f} s (at most 5 s)", ready <= 5),
        ("private memory of an idle replica", f"{memory:.0f} MB (at most 120 MB)", memory <= 120),
    ]


def _catalog(found: dict[str, Any]) -> list[tuple[str, str, bool]]:
    """(what, key, unit, at most) of the catalog's medians."""
    wanted = [
        ("discovery (`/.well-known/databricks-config`)", "discovery_ms", "ms", 2),
        ("token check: a whole request to the gateway", "token_ms", "ms", 2),
        (f"list {found['models']:,} models of a schema", "list_models_ms", "ms", 100),
        ("point query by the statement API", "point_query_ms", "ms", 300),
        (f"group-by over {found['big_rows'] // 10**6} million rows by the statement API", "group_by_ms", "ms", 2_000),
        ("`log_model` with registration of 1 MB, `databricks-uc`", "register_s", "s", 1.5),
    ]
    return [
        (what, f"{found[key]:,.1f} {unit} (at most {limit:,g} {unit})", found[key] <= limit) for what, key, unit, limit in wanted
    ]


def features(found: dict[str, Any]) -> list[tuple[str, str, bool]]:
    """What `benchmarks.features` measured."""
    lookups, function, training = found["lookups"], found["function_us"], found["point_in_time"]
    share, added_us, questions = lookups["share"], max(function.values()), found["questions_per_message"]
    online, training_rows, history = (f"{found[name] / 10**6:g}" for name in ("feature_rows", "training_rows", "history_rows"))
    is_small = training["seconds"] <= 60 and training["peak_gb"] <= 4
    return [
        (
            f"look-up of {found['feature_columns']} features by key against sending them, c=64",
            f"{share:.2f} × the throughput (at least 0.8 ×)",
            share >= 0.8,
        ),
        ("questions to Redis for the keys of 64 requests", f"{questions:g} (1)", questions == 1),
        ("a feature function, for each row of 1,000", f"{added_us:.1f} µs more (at most 10 µs)", added_us <= 10),
        (
            f"online table of {online} million rows × {found['feature_columns']} columns",
            f"{found['sync_s']:.1f} s (at most 60 s)",
            found["sync_s"] <= 60,
        ),
        (
            f"point-in-time training set of {training_rows} million rows, {history} million of history",
            f"{training['seconds']:.1f} s, {training['peak_gb']:.1f} GB (at most 60 s, 4 GB)",
            is_small,
        ),
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
        "| | requests/s, c=1 | c=16 | c=64 | p50 c=1 | p99 c=1 | p50 c=16 | p99 c=16 | p50 c=64 | p99 c=64 "
        "| rows/s, 100 rows, c=16 | c=64 |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
        _row("**Proving Ground**", results["ours"]),
        *[_row(name, side) for name, side in results["sides"].items()],
        _row("the HTTP server alone, a constant", {"one_row": results["constant"], "many_rows": {}}),
        "",
        "| | measured (wanted) | reached |",
        "|---|---|---|",
        *[f"| {what} | {measured} | {'yes' if reached else '**no**'} |" for what, measured, reached in targets(results)],
        "",
        _footnote(results),
    ]
    return "\n".join(lines) + "\n"


def _footnote(results: dict[str, Any]) -> str:
    facts, memory = results["machine"], results["memory"]
    ready, cold = results["create_to_ready_s"]["all"], results["cold_start_ms"]["all"]
    return (
        f"Random forest of 100 trees, 20 features, {results['seconds']:g} s each, the load generator on "
        f"the same machine ({facts['cores']} cores, {facts['memory_gb']} GB, {facts['cpu']}), {facts['date']}, "
        f"MLflow {facts['packages']['mlflow']}. Ours with authentication, an 80/20 split over two versions and capture on; "
        f"the split was {results['split']:.3f}. Peers with their batching on, where they have it. "
        f"Every answer of every side was compared with the model's own prediction. "
        f"Create to READY: {len(ready)} models that had never been built, slowest {max(ready):.1f} s. "
        f"Cold start: {len(cold)} in a row, slowest {max(cold):.0f} ms. Memory: worker {memory['worker_mb']} MB and jailed "
        f"runner {memory['runner_mb']} MB, median of {memory['replicas']} idle replicas."
    )


def _row(name: str, side: dict[str, Any]) -> str:
    one = side["one_row"]
    rates = [f"{one[c]['requests_per_s']:,.0f}" for c in ("1", "16", "64")]
    times = [f"{one[c][key]:.2f} ms" for c in ("1", "16", "64") for key in ("p50_ms", "p99_ms")]
    rows = [f"{result['requests_per_s'] * 100:,.0f}" for result in side["many_rows"].values()] or ["–", "–"]
    return f"| {name} | {' | '.join([*rates, *times, *rows])} |"


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
