"""Python functions: values, limits, sentences, and the jail around the interpreter."""

import datetime as dt
import os
import subprocess
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from sandbox.sql import python_functions
from sandbox.sql.python_functions import FunctionFailed, check, evaluate

HOME = "ada"


@pytest.mark.parametrize(
    ("body", "rows", "values"),
    [
        ("return a + b", [[1, 2], [0.5, 1]], [3, 1.5]),
        ("    import math\n    return math.floor(a) if b else None", [[1.5, True], [2.5, False]], [1, None]),
        ("def double(x):\n    return 2 * x\nreturn [double(a), {'b': b}]", [[1, "x"]], [[2, {"b": "x"}]]),
        ("s = '''one\n  two'''\nreturn s", [[1, 2]], ["one\n  two"]),
        ('s = "it\'s" # \'\'\'\nif a:\n    s += """\nend"""\nreturn s', [[1, 2]], ["it's\nend"]),
        ("return (a, b)", [[Decimal("1.10"), dt.date(2026, 1, 31)]], [[Decimal("1.10"), dt.date(2026, 1, 31)]]),
        ("pass", [[1, 2], [3, 4]], [None, None]),
        ("return a", [], []),
    ],
)
def test_it_works(body: str, rows: list[Any], values: list[Any]) -> None:
    assert evaluate(HOME, body, ["a", "b"], rows) == values


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("return a / 0", "ZeroDivisionError: division by zero (line 1 of the function)"),
        ("x = 1\nreturn a.nope", "(line 2 of the function)"),
        ("while True:\n    pass", "took longer than 1 s"),
        ("return len('a' * 10**10)", "needed more than 64 MiB"),
        ("def f(n):\n    return f(n + 1)\nreturn f(0)", "RecursionError"),
        ("return open('/etc/passwd').read()", "PermissionError"),
        ("import os\nreturn os.environ", "not supported in this environment"),
        ("x = [0] * 1000\nfor i in range(3):\n    x = [x] * 100\nreturn x", "returned too much"),
        ("return ['a' * 1_000_000] * 1000", "returned too much"),
        ("x = {}\nfor i in range(30):\n    x = {'a': x, 'b': x}\nreturn x", "returned too much"),
        ("return '{0.__class__.__init__.__globals__}'.format(a)", "AttributeError"),
        ("from decimal import Decimal\nreturn Decimal('1e100000000') + 1", "Overflow"),
        ("return 10 ** 10 ** 9", "needed more than 64 MiB"),
        ("import subprocess", "No module named 'subprocess'"),
    ],
)
def test_it_fails_with_a_sentence(body: str, why: str) -> None:
    with pytest.raises(FunctionFailed) as failure:
        evaluate(HOME, body, ["a"], [[1]])
    assert why in str(failure.value)


@pytest.mark.parametrize(
    ("body", "parameters", "why"),
    [
        ("return (", ["a"], "SyntaxError"),
        ("yield a", ["a"], "does not yet support yield"),
        ("import numpy as np\nreturn np.mean(a)", ["a"], "No module named 'numpy'"),
        ("return 1", ["class"], "cannot be the name of a parameter"),
        ("return 1", ["a, b"], "cannot be the name of a parameter"),
        ("# " + "x" * 20_000, ["a"], "at most 16,384 bytes"),
    ],
)
def test_it_refuses_what_it_does_not_know(body: str, parameters: list[str], why: str) -> None:
    with pytest.raises(FunctionFailed) as failure:
        check(HOME, body, parameters)
    assert why in str(failure.value)


def test_the_interpreter_is_jailed() -> None:
    assert evaluate(HOME, "return a", ["a"], [[1]]) == [1]
    workers = subprocess.run(["pgrep", "-x", "monty"], capture_output=True, text=True).stdout.split()
    statuses = [path.read_text() for pid in workers if (path := Path(f"/proc/{pid}/status")).exists()]
    assert statuses
    for status in statuses:
        lines = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        assert (lines["Seccomp"], lines["NoNewPrivs"], lines["CapEff"]) == ("2", "1", "0000000000000000")


def test_nothing_is_left_from_one_call_to_the_next() -> None:
    evaluate(HOME, "global kept\nkept = a\nreturn kept", ["a"], [[1]])
    with pytest.raises(FunctionFailed, match="NameError"):
        evaluate(HOME, "return kept", ["a"], [[1]])


def workers() -> set[int]:
    """Process numbers of the interpreters that this process has started and that live."""
    found = subprocess.run(["pgrep", "-x", "-P", str(os.getpid()), "monty"], capture_output=True, text=True).stdout
    return {int(pid) for pid in found.split()}


def test_a_worker_serves_one_workspace_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(python_functions, "POOLS", 2)
    seen: dict[str, set[int]] = {}
    for workspace_id in ("ada", "eve", "ada", "bob", "eve", "ada"):
        before = workers()
        assert evaluate(workspace_id, "return a", ["a"], [[workspace_id]]) == [workspace_id]
        seen.setdefault(workspace_id, set()).update(workers() - before)
        assert len(workers()) <= 2 * python_functions.WORKERS
    assert all(seen.values())  # each has workers of its own; ada's were ended for bob's and came anew
    pids = [pid for found in seen.values() for pid in found]
    assert len(pids) == len(set(pids))


def test_a_killed_interpreter_is_replaced() -> None:
    assert evaluate(HOME, "return a", ["a"], [[1]]) == [1]
    subprocess.run(["pkill", "-9", "-x", "-P", str(os.getpid()), "monty"], check=False)
    assert any(is_answered() for _ in range(python_functions.WORKERS + 1))


def is_answered() -> bool:
    """A call whose interpreter has just been killed says that it was stopped."""
    try:
        return evaluate(HOME, "return a", ["a"], [[2]]) == [2]
    except FunctionFailed:
        return False
