"""Which failed tests are worth a second try, which tells what kind of fault theirs is, and whether they passed then.

second_try.py files     prints the files of the failed tests of pytest's last run, when it was a whole run and few failed
second_try.py passed    fails unless each of them has passed in pytest's last run
"""

import json
import sys
from pathlib import Path
from typing import Any

MOST_TESTS = 3
"""More do not fail by chance."""
PHASES = {"setup", "call"}
"""What is found at the end of a test process is the fault of any test before it."""
PLACES = ("tests/browser/", "tests/contract/", "tests/faults/", "tests/hostile/", "tests/integration/")
"""What kills, freezes and times real processes. A unit test that fails has failed."""
OUTCOMES = Path(".pytest_cache/v/build/outcomes")
TRIED_AGAIN = Path(".pytest_cache/v/build/tried_again")


def main(question: str) -> None:
    outcomes: dict[str, Any] = json.loads(OUTCOMES.read_text()) if OUTCOMES.exists() else {"status": -1, "failed": {}}
    OUTCOMES.unlink(missing_ok=True)
    failed: dict[str, str] = outcomes["failed"]
    if question == "passed":
        missing = [test for test in json.loads(TRIED_AGAIN.read_text()) if test not in outcomes["passed"]]
        sys.exit(f"not passed on the second try: {', '.join(missing)}" if missing else 0)
    is_whole = outcomes["status"] == 1 and PHASES.issuperset(failed.values())
    if not is_whole or not 0 < len(failed) <= MOST_TESTS or not all(test.startswith(PLACES) for test in failed):
        sys.exit(f"pytest ended with {outcomes['status']}, {len(failed)} failures: no second try.")
    TRIED_AGAIN.write_text(json.dumps(sorted(failed)))
    print("\n".join(f"    {test}" for test in sorted(failed)), file=sys.stderr)
    print("\n".join(sorted({test.partition("::")[0] for test in failed})))


main(sys.argv[1])
