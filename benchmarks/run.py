"""`make bench`: this site and `mlflow models serve` with the same model, on this machine, under the same load.

Writes results/bench.json and results/bench.md and the table in the README. Only loopback is used. About four minutes.
"""

import argparse
import logging
import statistics
import tempfile
import warnings
from pathlib import Path
from typing import Any

from benchmarks import driving, forests, ours, report, theirs
from tests.stack import free_port

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
FRESH_MODELS = 3


def main() -> None:
    options = _options()
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")  # MLflow's hints about pickles and integer columns
    models = [forests.forest(seed) for seed in range(2 + FRESH_MODELS)]
    results: dict[str, Any] = {"machine": report.machine(), "seconds": options.duration_s}
    with tempfile.TemporaryDirectory(prefix="pg-bench-") as scratch:
        results |= _mlflow_models_serve(models[0], Path(scratch), options)
        results |= _proving_ground(models, Path(scratch), options)
    report.write(results, options.results)
    if options.results == RESULTS:
        report.write_readme(results, ROOT / "README.md")
    print(f"\n{(options.results / 'bench.md').read_text()}")
    missed = [what for what, _, reached in report.targets(results) if not reached]
    if missed and options.check:
        raise SystemExit(f"Not reached: {', '.join(missed)}.")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--duration-s", type=float, default=10.0, help="measured seconds for each concurrency")
    parser.add_argument("--warm-up-s", type=float, default=3.0)
    parser.add_argument("--results", type=Path, default=RESULTS, help="another folder leaves the README as it is")
    parser.add_argument("--check", action="store_true", help="fail when a target is missed")
    return parser.parse_args()


def _mlflow_models_serve(model: Any, scratch: Path, options: argparse.Namespace) -> dict[str, Any]:
    print("mlflow models serve")
    requests = scratch / "one_version.json"
    forests.write_requests(requests, [model])
    theirs.save(model, scratch / "model")
    with theirs.serving(scratch / "model", free_port(), scratch / "mlflow.log") as url:
        return {"mlflow_models_serve": driving.drive(url, requests, "", options.duration_s, options.warm_up_s)}


def _proving_ground(models: list[Any], scratch: Path, options: argparse.Namespace) -> dict[str, Any]:
    print("Proving Ground")
    requests = scratch / "two_versions.json"
    forests.write_requests(requests, models[:2])
    row = forests.table(seed=1)[0].head(1)
    with ours.site() as site:
        ours.register(models)
        ours.deploy(site, "bench", ["1", "2"])
        driven = driving.drive(ours.url(site, "bench"), requests, site.token, options.duration_s, options.warm_up_s)
        fresh = [str(version) for version in range(3, 3 + FRESH_MODELS)]
        ready_s = ours.create_to_ready_s(site, fresh)
        print(f"    create to READY {ready_s} s")
        memory = ours.memory_mb(site, [f"fresh-{version}" for version in fresh])
        print(f"    idle replica {memory}")
        ours.deploy(site, "cold", ["1"], scale_to_zero=True)
        body, expected = {"dataframe_records": row.to_dict(orient="records")}, models[0].predict(row).tolist()
        cold_ms = ours.cold_starts_ms(site, "cold", body, expected)
        print(f"    cold start {cold_ms} ms")
    return {
        "ours": driven,
        "split": driving.check_split(driven, ours.SPLIT / 100),
        "create_to_ready_s": {"median": statistics.median(ready_s), "all": ready_s},
        "memory": memory,
        "cold_start_ms": {"median": statistics.median(cold_ms), "all": cold_ms},
    }


if __name__ == "__main__":
    main()
