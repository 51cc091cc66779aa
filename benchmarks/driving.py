"""Runs the load generator in a process of its own and checks what it brings back."""

import json
import math
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LOAD = Path(__file__).with_name("load.py")
CONCURRENCIES = (1, 16, 64)


@dataclass(frozen=True)
class Timing:
    """How long each concurrency is measured, after how long a warm-up."""

    duration_s: float
    warm_up_s: float


def drive(
    url: str,
    requests: Path,
    timing: Timing,
    *,
    token: str = "",
    answer: str = "predictions",
    concurrencies: Sequence[int] = CONCURRENCIES,
) -> dict[str, dict[str, Any]]:
    """Results by concurrency. A wrong or refused answer ends the benchmark: a fast wrong server is not fast."""
    results = {}
    for concurrency in concurrencies:
        result = _run(url, requests, timing, token, answer, concurrency)
        if result["wrong"] or result["failed"] or not result["requests"]:
            raise SystemExit(f"{url} at concurrency {concurrency} did not answer everything rightly: {result}")
        rate, p50, p99 = result["requests_per_s"], result["p50_ms"], result["p99_ms"]
        print(f"    c={concurrency:<3} {rate:>9,.1f} requests/s   p50 {p50} ms   p99 {p99} ms", flush=True)
        results[str(concurrency)] = result
    return results


def _run(url: str, requests: Path, timing: Timing, token: str, answer: str, concurrency: int) -> dict[str, Any]:
    command = [sys.executable, str(LOAD), "--requests", str(requests), "--url", url, "--token", token, "--answer", answer]
    command += ["--concurrency", str(concurrency), "--duration-s", str(timing.duration_s)]
    command += ["--warm-up-s", str(timing.warm_up_s)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timing.duration_s + timing.warm_up_s + 60)
    if done.returncode != 0:
        raise SystemExit(f"The load generator failed: {done.stderr[-2000:]}")
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def check_split(results: dict[str, dict[str, Any]], first_share: float) -> float:
    """The share of the first version among the answers that tell the versions apart; five sigma around what was asked."""
    counts = [sum(column) for column in zip(*(result["by_version"] for result in results.values()), strict=True)]
    total = sum(counts)
    share = counts[0] / total
    tolerance = 5 * math.sqrt(first_share * (1 - first_share) / total)
    if abs(share - first_share) > tolerance:
        raise SystemExit(f"The split is {share:.3f} of {total} answers and should be {first_share} ± {tolerance:.3f}.")
    return share
