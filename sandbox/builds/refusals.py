"""What a model raises on, found out by trying, so that its ONNX form can refuse the same. Runs in the jail.

An ONNX graph answers a gap, an unknown category or an infinite number with something; scikit-learn raises. The answer of the
real server is then 400 with the exception, so it is kept with the signature.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from sandbox.builds import agreement, samples
from sandbox.builds.rows import Rows
from sandbox.builds.signature import InputField, Signature

MOST_TRIALS = 100
"""Columns that are tried one by one; of more, all are taken to be like all of them together."""
_TOO_LARGE = 1e39
_LONGEST = 1_000
_UNKNOWN_NUMBER = -987_654_321


def with_refusals(signature: Signature, model: Any, rows: Rows) -> Signature:
    """The signature with what the model refuses."""
    found = _Trials(model, rows)
    inputs = signature.inputs
    if signature.kind == "columns":
        inputs = found.of_columns(inputs)
    else:
        inputs = tuple(
            replace(each, refuses=_kept(missing=found.with_value(range(len(rows.columns)), np.nan))) for each in inputs
        )
    numbers = [place for place, each in enumerate(rows.columns) if each.type in {"double", "float"}]
    whole = _kept(
        no_rows=found.raised(lambda table: table.iloc[:0]),
        infinite=found.with_value(numbers, np.inf) if numbers else "",
        too_large=found.with_value([n for n in numbers if rows.columns[n].type == "double"], _TOO_LARGE) if numbers else "",
    )
    return replace(signature, inputs=inputs, refuses=whole)


class _Trials:
    def __init__(self, model: Any, rows: Rows) -> None:
        self._rows = rows
        self._columns = rows.columns
        self._known: dict[int, list[Any]] = {}
        for position, hint in samples.column_hints(model, [each.name for each in rows.columns]):
            self._known.setdefault(position, []).extend(hint.categories)

    def of_columns(self, inputs: Sequence[InputField]) -> tuple[InputField, ...]:
        takes_gaps = [place for place, each in enumerate(inputs) if each.type in {"double", "float", "string", "datetime"}]
        gap = {place: self._gap(inputs[place]) for place in takes_gaps}
        together = self.raised(lambda table: _set(table, inputs, gap)) if takes_gaps else ""
        found = []
        for place, each in enumerate(inputs):
            alone = place < MOST_TRIALS
            refuses = _kept(
                missing=(self._missing(each) if alone else together) if together and place in gap else "",
                absent="" if each.required else self._absent(each.name),
                none=self.with_value([place], None) if each.type == "string" and alone else "",
                other=self.with_value([place], 5) if each.type == "string" and alone else "",
                nested=self.with_value([place], [1]) if each.type == "string" and alone else "",
            )
            found.append(self._with_known(replace(each, refuses=refuses), place))
        return tuple(found)

    def _absent(self, name: str) -> str:
        return self.raised(lambda table: table.drop(columns=name))

    def _gap(self, each: InputField) -> Any:
        return pd.NaT if each.type == "datetime" else np.nan

    def _missing(self, each: InputField) -> str:
        """A gap in one column, beside values: that makes it NaN for texts too."""
        return self.raised(
            lambda table: _set(table, self._columns, {[c.name for c in self._columns].index(each.name): np.nan}, 1)
        )

    def _with_known(self, each: InputField, place: int) -> InputField:
        """With the only values that the model takes, where it raises on others."""
        known = [value for value in self._known.get(place, []) if isinstance(value, str) == (each.dtype == "str")]
        if not known or each.type not in {"string", "long", "integer", "double", "float"}:
            return each
        unseen = samples.UNSEEN if each.dtype == "str" else _UNKNOWN_NUMBER
        said = self.with_value([place], unseen)
        if not said:
            return each
        text = said.replace(repr([unseen]), "{values}").replace(repr([float(unseen)] if each.dtype != "str" else ""), "{values}")
        values = tuple(dict.fromkeys(value if isinstance(value, str) else float(value) for value in known if value is not None))
        return replace(each, refuses={**each.refuses, "unknown": text}, known=values)

    def with_value(self, places: Sequence[int], value: Any) -> str:
        return self.raised(lambda table: _set(table, self._columns, dict.fromkeys(places, value)))

    def raised(self, changed: Callable[[pd.DataFrame], pd.DataFrame]) -> str:
        """What the model raises on two good rows after the change; empty when it answers."""
        try:
            self._rows.predict(changed(agreement.as_frame(self._rows.good.head(2), self._columns)))
        except Exception as error:
            return f"{type(error).__name__}: {error}"[:_LONGEST]
        return ""


def _set(table: pd.DataFrame, columns: Sequence[InputField], values: dict[int, Any], rows: int = 2) -> pd.DataFrame:
    """The table with other values in its first rows."""
    table = table.copy()
    for place, value in values.items():
        each = columns[place]
        old = table[each.name]
        new = [value] * rows + old.tolist()[rows:]
        if each.type == "string":
            table[each.name] = pd.Series(new) if isinstance(value, str | float) else pd.Series(new, dtype=object)
        elif each.type == "datetime":
            table[each.name] = pd.to_datetime(pd.Series(new)).astype("datetime64[ns]")
        else:
            table[each.name] = pd.Series(new).astype(old.dtype)
    return table


def _kept(**refuses: str) -> dict[str, str]:
    return {name: text for name, text in refuses.items() if text}
