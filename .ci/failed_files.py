"""Prints the files of the tests that failed in the last run of pytest; fails when there were none to name, or too many."""

import json
import sys
from pathlib import Path

MOST_TESTS = 3
"""More do not fail by chance."""

kept = Path(".pytest_cache/v/cache/lastfailed")
failed = sorted(json.loads(kept.read_text())) if kept.exists() else []
if not 0 < len(failed) <= MOST_TESTS:
    sys.exit(f"{len(failed)} tests failed: no second try.")
print("\n".join(f"    {test}" for test in failed), file=sys.stderr)
print("\n".join(sorted({test.partition("::")[0] for test in failed})))
