"""The rows that a model and its ONNX form are compared on, and what the model predicts for them. Runs in the jail."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from sandbox.builds import agreement, samples
from sandbox.builds.agreement import Agreement
from sandbox.builds.mlmodel import LoggedModel
from sandbox.builds.not_convertible import NotConvertible
from sandbox.builds.signature import InputField, Signature
from sandbox.builds.unpickle import describe
from sandbox.replicas.runtimes.onnx import OnnxRuntime

Note = Callable[[str], None]


class Rows:
    """Made from the model, its inputs and the logged input example. Raises NotConvertible when no rows can be predicted."""

    def __init__(
        self, model: Any, logged: LoggedModel, inputs: tuple[InputField, ...], files: dict[str, bytes], note: Note
    ) -> None:
        self._predict = getattr(model, logged.predict_method)
        self._is_tensor = inputs[0].shape != ()
        self._dtype = inputs[0].type if self._is_tensor else ""
        self.columns = inputs if not self._is_tensor else _columns_of(inputs[0])
        example = samples.example_rows(files.get(logged.example_file), self.columns)
        synthetic = samples.synthetic_rows(model, self.columns, example)
        self.sets: list[tuple[str, Any, Any]] = []
        if example is not None:
            self._add("the input example", example)
        if (error := self._add("synthetic rows", synthetic)) is not None:
            synthetic = synthetic[~(synthetic == samples.UNSEEN).any(axis=1)].reset_index(drop=True)
            error = self._add("synthetic rows", synthetic)
        if not self.sets:
            raise NotConvertible(
                f"{describe(model)}.{logged.predict_method} fails on rows that fit its signature: {first_line(error)}. "
                "Log the model with signature=infer_signature(X, model.predict(X)) and input_example=X.head()."
            )
        if error is not None:
            note(f"Compared on the input example only; synthetic rows were refused by the model: {first_line(error)}")
        self.good = self.sets[-1][1]
        """Rows that the model takes."""
        gaps = samples.with_gaps(self.good, self.columns)
        if gaps is not None and self._add("rows with missing values", gaps) is not None:
            note("The model does not accept missing values.")
        for name, value in (("no text", None), ("a number for a text", 5)):
            for position, each in enumerate(self.columns):
                if each.type == "string" and not self._is_tensor:
                    self._add(f"{name} in {each.name}", self._with(position, value))

    def _with(self, position: int, value: Any) -> Any:
        rows = self.good.head(3).copy()
        rows[position] = pd.Series([value] * len(rows), dtype=object)
        return rows

    def _add(self, name: str, rows: Any) -> Exception | None:
        """Let the model predict; returns why it would not."""
        try:
            wanted = self.predict(agreement.as_frame(rows, self.columns))
        except Exception as error:
            return error
        self.sets.append((name, rows, np.asarray(wanted)))
        return None

    def predict(self, table: pd.DataFrame) -> Any:
        """What the model says to a table as MLflow would hand it over; a tensor model gets its values as one array."""
        return self._predict(table.to_numpy(dtype=self._dtype) if self._is_tensor else table)

    @property
    def example(self) -> pd.DataFrame:
        """Two rows that the model takes, as MLflow would hand them over."""
        return agreement.as_frame(self.good.head(2), self.columns)

    @property
    def prediction(self) -> Any:
        """Some predictions, as an array."""
        return self.sets[0][2]

    def compare(self, runtime: OnnxRuntime, signature: Signature) -> Agreement:
        """The worst outcome over all sets of rows."""
        outcomes = [
            agreement.compare(wanted, runtime.predict(agreement.as_arrays(rows, signature))) for _, rows, wanted in self.sets
        ]
        return agreement.together(outcomes)


def _columns_of(tensor: InputField) -> tuple[InputField, ...]:
    kind = "string" if tensor.dtype == "str" else "double"
    return tuple(InputField(str(position), kind) for position in range(tensor.shape[1]))


def first_line(error: Exception | None) -> str:
    return (str(error).strip().split("\n")[0] or type(error).__name__)[:300].rstrip(".")
