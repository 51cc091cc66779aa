"""Forests in machine code that is compiled here: an eighth of ONNX Runtime's time for many rows; the only importer of numba.

Eight rows go down a tree side by side, so that the processor has something to do while one waits for its next node; and a tree
is used for all rows before the next one, so that it stays in the processor's first cache.
"""

import zlib
from typing import Any

import numba
import numpy as np

from sandbox.builds.forest_arrays import Array, ForestArrays

CHECKED_ROWS = 64
SIDE_BY_SIDE = 8
"""The number of rows that `_count` is given is a multiple of it."""


# places are unsigned, because numba asks of every signed one whether it counts from the end: most of the time otherwise
@numba.njit("void(f4[:, ::1], f4[::1], u4[::1], u4[::1], f8[:, ::1], u4[::1], u4[::1], f8[:, ::1])", nogil=True)
def _count(rows, thresholds, features, children, values, roots, depths, votes):  # type: ignore[no-untyped-def]  # compiled
    places = np.empty(SIDE_BY_SIDE, np.uint64)
    lanes, targets = np.uint64(SIDE_BY_SIDE), np.uint64(values.shape[1])
    for tree in range(len(roots)):
        for first in range(np.uint64(0), np.uint64(rows.shape[0]), lanes):
            for i in range(lanes):
                places[i] = roots[tree]
            for _ in range(depths[tree]):
                for i in range(lanes):
                    place = places[i]
                    is_right = not rows[first + i, features[place]] <= thresholds[place]
                    places[i] = np.uint64(children[place]) + np.uint64(is_right)
            for i in range(lanes):
                for target in range(targets):
                    votes[first + i, target] += values[places[i], target]


class Forest:
    """What `arrays` describes, answering what the ONNX form of the same forest answers, bit for bit."""

    def __init__(self, arrays: ForestArrays, answers_doubles: bool) -> None:
        self._arrays = arrays
        integers = (arrays.features, arrays.children, arrays.roots, arrays.depths)
        self._features, self._children, self._roots, self._depths = (each.view(np.uint32) for each in integers)
        numbers = all(isinstance(each, int) for each in arrays.classes)
        self._classes = np.array(arrays.classes, dtype=np.int64 if numbers else object)
        self._type = np.float64 if answers_doubles else np.float32

    def predict(self, matrix: Array) -> Array | None:
        """Labels (rows,) or probabilities (rows, classes) of a matrix of floats or doubles; None when it has gaps."""
        rows = np.zeros((-(-len(matrix) // SIDE_BY_SIDE) * SIDE_BY_SIDE, matrix.shape[1]), dtype=np.float32)
        with np.errstate(over="ignore"):
            rows[: len(matrix)] = matrix
        if np.isnan(rows).any():
            return None
        votes = self._votes(rows)[: len(matrix)]
        if not self._arrays.gives_probabilities:
            return self._classes[votes.argmax(axis=1)]  # type: ignore[no-any-return]  # NumPy says Any
        # ONNX Runtime hands the sums over as floats
        return (votes.astype(np.float32).astype(np.float64) / len(self._roots)).astype(self._type)

    def _votes(self, rows: Array) -> Array:
        """The sums of the leaves' values (rows, classes)."""
        thresholds, values = self._arrays.thresholds, self._arrays.values
        votes = np.zeros((len(rows), len(self._classes)))
        _count(rows, thresholds, self._features, self._children, values, self._roots, self._depths, votes)
        return votes

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
