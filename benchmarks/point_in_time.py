"""A training set at points in time, made by the feature client in a process of its own: how long it takes, how much memory.

    python benchmarks/point_in_time.py --rows 1000000 --table main.default.bench_history

The table is that of `benchmarks.features`: what it has is known for every key and time, so every row is checked. Site and token
come from the environment. Prints one JSON object.
"""

import argparse
import json
import os
import resource
import time

import numpy as np
import pyarrow as pa

KEYS, STEP_US = 100_000, 3_600_000_000
"""Each key has a value every hour, at a minute of its own."""
FIRST_US = 1_767_225_600_000_000
"""2026-01-01."""


def history(rows: int) -> pa.Table:
    """`rows` rows of (id, at, score): for each key as many hours as fit."""
    number = np.arange(rows)
    ids, hours = number % KEYS, number // KEYS
    times = pa.array(FIRST_US + offset_us(ids) + hours * STEP_US).cast(pa.timestamp("us", tz="UTC"))
    return pa.table({"id": ids, "at": times, "score": score(ids, hours)})


def offset_us(ids: np.ndarray) -> np.ndarray:
    return ids * 7_919 % 3_600 * 1_000_000


def score(ids: np.ndarray, hours: np.ndarray) -> np.ndarray:
    return ids + hours / 1_024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--hours", type=int, required=True, help="that the history has of each key")
    parser.add_argument("--table", required=True)
    options = parser.parse_args()
    from proving_ground_client import FeatureEngineeringClient, FeatureLookup

    draw = np.random.default_rng(0)
    ids = draw.integers(0, KEYS, options.rows)
    asked_us = FIRST_US + draw.integers(0, (options.hours + 1) * STEP_US, options.rows)
    data = pa.table({"customer": ids, "asked_at": pa.array(asked_us).cast(pa.timestamp("us", tz="UTC"))})
    lookup = FeatureLookup(options.table, "customer", feature_names="score", timestamp_lookup_key="asked_at")
    started_s, started_cpu_s = time.perf_counter(), time.process_time()
    training = FeatureEngineeringClient().create_training_set(df=data, feature_lookups=[lookup], label=None)
    found = training.load_df().toArrow()["score"].combine_chunks()
    took_s, cpu_s = time.perf_counter() - started_s, time.process_time() - started_cpu_s
    hours = np.minimum((asked_us - FIRST_US - offset_us(ids)) // STEP_US, options.hours - 1)
    expected = np.where(hours < 0, np.nan, score(ids, hours))
    wrong = int((~np.isclose(found.to_numpy(zero_copy_only=False), expected, rtol=0, atol=0, equal_nan=True)).sum())
    peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(json.dumps({"seconds": took_s, "cpu_s": cpu_s, "peak_gb": peak_gb, "wrong": wrong, "processors": os.cpu_count()}))


if __name__ == "__main__":
    main()
