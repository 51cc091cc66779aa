"""Small tables that models under test are fitted on, and the arrays that a replica makes of rows."""

from typing import Any

import numpy as np
import pandas as pd

from sandbox.builds.signature import Signature, text_marker


def customers(rows: int = 300, seed: int = 1) -> pd.DataFrame:
    """Numbers, whole numbers, yes/no and text columns, one of them of no use."""
    draw = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "customerID": [f"c-{number}" for number in range(rows)],
            "tenure": draw.integers(1, 73, rows),
            "Monthly Charges": draw.uniform(18, 120, rows).round(2),
            "plan": draw.choice(["basic", "plus", "pro"], rows).astype(object),
            "senior": draw.integers(0, 2, rows).astype(bool),
        }
    )


def churn(table: pd.DataFrame, seed: int = 2) -> Any:
    """Yes or No for each row."""
    noise = np.random.default_rng(seed).normal(0, 15, len(table))
    return np.where(table["tenure"] + noise < 30, "Yes", "No")


def numbers(rows: int = 300, columns: int = 6, seed: int = 3) -> pd.DataFrame:
    """Columns f0, f1, … with two decimals."""
    values = np.random.default_rng(seed).normal(0, 3, (rows, columns)).round(2)
    return pd.DataFrame(values, columns=[f"f{position}" for position in range(columns)])


def arrays(signature: Signature, rows: Any) -> list[Any]:
    """The arrays for the runtime, built by the words of `Signature.layout` and nothing else."""
    if signature.layout == "tensors":
        return [np.asarray(rows, dtype=signature.inputs[0].dtype)]
    if signature.layout == "matrix":
        dtype = object if signature.dtype == "str" else signature.dtype
        return [rows[signature.names].to_numpy(dtype=dtype)]
    made = []
    for each in signature.inputs:
        column = rows[each.name]
        if each.dtype == "str":
            values = np.array([value if isinstance(value, str) else text_marker(value) for value in column], dtype=object)
        else:
            values = column.to_numpy(dtype=each.dtype)
        made.append(values.reshape(-1, 1))
    return made
