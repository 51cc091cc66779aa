"""Forests in machine code that is compiled here: a third of ONNX Runtime's time for many rows; the only importer of numba.

Sixteen rows go down a tree side by side, so that the processor has something to do while one waits for its next node.
"""

import zlib
from typing import Any

import numba
import numpy as np

from sandbox.builds.forest_arrays import Array, ForestArrays

CHECKED_ROWS = 64


@numba.njit("void(f4[:, ::1], f4[::1], i4[::1], i4[::1], f8[:, ::1], i4[::1], i4[::1], f8[:, ::1])", nogil=True)
def _count(rows, thresholds, features, children, values, roots, depths, votes):  # type: ignore[no-untyped-def]  # compiled
    places = np.empty(16, np.int32)
    for first in range(0, len(rows), 16):
        count = min(16, len(rows) - first)
        for tree in range(len(roots)):
            for i in range(count):
                places[i] = roots[tree]
            for _ in range(depths[tree]):
                for i in range(count):
                    place = places[i]
                    places[i] = children[place] + (not rows[first + i, features[place]] <= thresholds[place])
            for i in range(count):
                for target in range(values.shape[1]):
                    votes[first + i, target] += values[places[i], target]


class Forest:
    """What `arrays` describes, answering what the ONNX form of the same forest answers, bit for bit."""

    def __init__(self, arrays: ForestArrays, answers_doubles: bool) -> None:
        self._arrays = arrays
        numbers = all(isinstance(each, int) for each in arrays.classes)
        self._classes = np.array(arrays.classes, dtype=np.int64 if numbers else object)
        self._type = np.float64 if answers_doubles else np.float32

    def predict(self, matrix: Array) -> Array | None:
        """Labels (rows,) or probabilities (rows, classes) of a matrix of floats or doubles; None when it has gaps."""
        with np.errstate(over="ignore"):
            rows = np.ascontiguousarray(matrix, dtype=np.float32)
        if np.isnan(rows).any():
            return None
        a = self._arrays
        votes = np.zeros((len(rows), len(self._classes)))
        _count(rows, a.thresholds, a.features, a.children, a.values, a.roots, a.depths, votes)
        if not a.gives_probabilities:
            return self._classes[votes.argmax(axis=1)]  # type: ignore[no-any-return]  # NumPy says Any
        # ONNX Runtime hands the sums over as floats
        return (votes.astype(np.float32).astype(np.float64) / len(a.roots)).astype(self._type)

    def agrees_with(self, answer: Any, dtype: str) -> bool:
        """Whether `answer`, a function of a matrix, says the same to rows that lie on the thresholds."""
        edges = self._arrays.thresholds[np.isfinite(self._arrays.thresholds)]
        drawn = np.random.default_rng(0).choice(edges if len(edges) else np.zeros(1), (CHECKED_ROWS, self._arrays.width))
        rows = drawn.astype(dtype)
        found = self.predict(rows)
        return found is not None and bool(np.array_equal(found, answer(rows)))


def forest(text: str, answer: Any, dtype: str, answers_doubles: bool) -> Forest | None:
    """The forest of a model file's metadata; None when it does not say what `answer` says, or is broken."""
    try:
        arrays = ForestArrays.from_text(text)
    except (ValueError, TypeError, KeyError, zlib.error):
        return None
    found = Forest(arrays, answers_doubles)
    return found if found.agrees_with(answer, dtype) else None
