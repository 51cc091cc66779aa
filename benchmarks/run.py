"""`make bench`: this site and its peers with the same model, on this machine, in one run, under the same load.

Peers: `mlflow models serve`, LitServe, MLServer, BentoML, Ray Serve, and the bare HTTP server as the ceiling. Writes
results/bench.json and results/bench.md and the table in the README. Only loopback is used. About a quarter of an hour.
"""

import argparse
import json
import logging
import statistics
import tempfile
import warnings
from pathlib import Path
from typing import Any

import joblib

from benchmarks import catalog, constant, driving, features, forests, ours, peer_servers, report, theirs, two_nodes
from tests.stack import free_port

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
FRESH_MODELS = 3
MANY_ROWS = 100
MANY_ROWS_CONCURRENCY = (16, 64)


def main() -> None:
    options = _options()
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")  # MLflow's hints about pickles and integer columns
    models = [forests.forest(seed) for seed in range(2 + FRESH_MODELS)]
    timing = driving.Timing(options.duration_s, options.warm_up_s)
    with tempfile.TemporaryDirectory(prefix="pg-bench-") as scratch:
        results = _everything(models, Path(scratch), timing, options.only)
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
    parser.add_argument("--only", nargs="*", default=None, metavar="FOLDER", help="which of the folders in peers/ to run")
    parser.add_argument("--results", type=Path, default=RESULTS, help="another folder leaves the README as it is")
    parser.add_argument("--check", action="store_true", help="fail when a target is missed")
    return parser.parse_args()


def _everything(models: list[Any], scratch: Path, timing: driving.Timing, only: list[str] | None) -> dict[str, Any]:
    """The whole run. Sides: name -> one_row by concurrency, many_rows by concurrency."""
    one, many = scratch / "one.json", scratch / "many.json"
    forests.write_requests(one, models[:1])
    forests.write_requests(many, models[:1], MANY_ROWS)
    joblib.dump(models[0], scratch / "model.joblib")
    results: dict[str, Any] = {"machine": report.machine(), "seconds": timing.duration_s, "sides": {}}
    results["constant"] = _constant(one, timing)
    results["sides"]["mlflow models serve"] = _mlflow_models_serve(models[0], one, many, scratch, timing)
    for peer in peer_servers.PEERS:
        if only is None or peer.folder in only:
            results["sides"] |= _peer(peer, one, many, scratch, timing)
    return results | _proving_ground(models, scratch, timing)


def _constant(one: Path, timing: driving.Timing) -> dict[str, Any]:
    print("the HTTP server alone")
    with constant.serving(free_port(), one, one.with_name("constant.json")) as (url, requests):
        return driving.drive(url, requests, timing)


def _mlflow_models_serve(model: Any, one: Path, many: Path, scratch: Path, timing: driving.Timing) -> dict[str, Any]:
    print("mlflow models serve")
    theirs.save(model, scratch / "model")
    with theirs.serving(scratch / "model", free_port(), scratch / "mlflow.log") as url:
        return {
            "one_row": driving.drive(url, one, timing),
            "many_rows": driving.drive(url, many, timing, concurrencies=MANY_ROWS_CONCURRENCY),
        }


def _peer(peer: peer_servers.Peer, one: Path, many: Path, scratch: Path, timing: driving.Timing) -> dict[str, Any]:
    """{name: results}; empty where the peer cannot be installed or does not answer everything."""
    print(peer.name)
    python = peer_servers.installed(peer)
    if python is None:
        return {}
    first = json.loads(peer_servers.write_requests(peer, one, scratch / "peer_one.json").read_text())[0]
    peer_servers.write_requests(peer, many, scratch / "peer_many.json")
    one, many = scratch / "peer_one.json", scratch / "peer_many.json"
    try:
        with peer_servers.serving(peer, python, scratch / "model.joblib", first, scratch / "peer.log") as url:
            one_row = driving.drive(url, one, timing, answer=peer.answer)
            many_rows = driving.drive(url, many, timing, answer=peer.answer, concurrencies=MANY_ROWS_CONCURRENCY)
    except SystemExit as error:  # it does not start here, or refuses some requests: no figure to compare with
        print(f"    left out: {str(error)[:500]}")
        return {}
    return {peer.name: {"one_row": one_row, "many_rows": many_rows}}


def _proving_ground(models: list[Any], scratch: Path, timing: driving.Timing) -> dict[str, Any]:
    print("Proving Ground")
    one, many = scratch / "two_versions.json", scratch / "two_versions_many.json"
    forests.write_requests(one, models[:2])
    forests.write_requests(many, models[:2], MANY_ROWS)
    row = forests.table(seed=1)[0].head(1)
    with ours.site() as site:
        ours.register(models)
        ours.deploy(site, "bench", ["1", "2"])
        url = ours.url(site, "bench")
        one_row = driving.drive(url, one, timing, token=site.token)
        many_rows = driving.drive(url, many, timing, token=site.token, concurrencies=MANY_ROWS_CONCURRENCY)
        fresh = [str(version) for version in range(3, 3 + FRESH_MODELS)]
        ready_s = ours.create_to_ready_s(site, fresh)
        print(f"    create to READY {ready_s} s")
        memory = ours.memory_mb(site, [f"fresh-{version}" for version in fresh])
        print(f"    idle replica {memory}")
        ours.deploy(site, "cold", ["1"], scale_to_zero=True)
        body, expected = {"dataframe_records": row.to_dict(orient="records")}, models[0].predict(row).tolist()
        cold_ms = ours.cold_starts_ms(site, "cold", body, expected)
        print(f"    cold start {cold_ms} ms")
        neighbours = _with_neighbours(site, url, one, timing)
        print("    a heavy model on one node, then on two, each pinned to a core")
        nodes = two_nodes.measure(site, str(len(models) + 1), scratch, timing)
    with ours.site() as site:
        print("    the catalog")
        objects = catalog.measure(site)
    with ours.site() as site:
        print("    features")
        looked_up = features.measure(site, driving.Timing(timing.duration_s * 0.4, 1), scratch)
    return {
        "ours": {"one_row": one_row, "many_rows": many_rows},
        "split": driving.check_split(one_row, ours.SPLIT / 100),
        "create_to_ready_s": {"median": statistics.median(ready_s), "all": ready_s},
        "memory": memory,
        "cold_start_ms": {"median": statistics.median(cold_ms), "all": cold_ms},
        "neighbours": neighbours,
        "nodes": nodes,
        "catalog": objects,
        "features": looked_up,
    }


def _with_neighbours(site: ours.Site, url: str, one: Path, timing: driving.Timing) -> dict[str, Any]:
    """The same load before and after NEIGHBOURS other endpoints are deployed."""
    print(f"    alone, then with {ours.NEIGHBOURS} other endpoints")
    alone = driving.drive(url, one, timing, token=site.token, concurrencies=(64,))
    ours.deploy_neighbours(site)
    among = driving.drive(url, one, timing, token=site.token, concurrencies=(64,))
    return {"alone": alone["64"], "among": among["64"], "endpoints": ours.NEIGHBOURS}


if __name__ == "__main__":
    main()
