"""A forest as flat arrays: what a model file carries beside its ONNX form, for those who evaluate many rows at a time."""

import base64
import json
import zlib
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

MAX_BYTES = 8 * 1024 * 1024
"""Of each array; those of a forest of 100 trees with 160 leaves each and two classes take 0.9 MB together."""
MAX_TEXT = 3 * 1024 * 1024
"""As text the same forest takes 0.35 MB."""

Array = np.ndarray[Any, Any]
_TYPES = {
    "thresholds": np.float32,
    "features": np.int32,
    "children": np.int32,
    "values": np.float64,
    "roots": np.int32,
    "depths": np.int32,
}


@dataclass(frozen=True)
class ForestArrays:
    """The trees' nodes one behind the other, the two children of a node side by side. There is no way for NaN."""

    classes: list[int] | list[str]
    gives_probabilities: bool
    """Or the labels."""
    width: int
    """How many inputs there are."""
    thresholds: Array
    """(nodes,): a 32-bit input that is at most this goes left. Infinite at a leaf."""
    features: Array
    """(nodes,): which input is compared."""
    children: Array
    """(nodes,): where the left child is; a leaf's own place."""
    values: Array
    """(nodes, classes): what a leaf adds to the votes."""
    roots: Array
    """(trees,)"""
    depths: Array
    """(trees,): so many comparisons lead to every leaf."""

    def to_text(self) -> str:
        plain = {"classes": self.classes, "gives_probabilities": self.gives_probabilities, "width": self.width}
        return json.dumps(plain | {name: _packed(getattr(self, name).astype(kind)) for name, kind in _TYPES.items()})

    @classmethod
    def from_text(cls, text: str) -> Self:
        """The inverse of `to_text`.

        Raises ValueError, TypeError, KeyError or zlib.error for arrays that would lead out of themselves: compiled code does not
        look.
        """
        raw = json.loads(text)
        arrays = {name: _unpacked(raw[name], kind) for name, kind in _TYPES.items()}
        arrays["values"] = arrays["values"].reshape(-1, len(raw["classes"]))
        found = cls(**{**raw, **arrays})
        found._check()
        return found

    def _check(self) -> None:
        nodes = len(self.children)
        places = np.arange(nodes)
        is_leaf = self.children == places
        fits = (
            {len(self.thresholds), len(self.features), len(self.values)} == {nodes}
            and 0 < len(self.roots) == len(self.depths)
            and _is_within(self.roots, nodes)
            and _is_within(self.features, self.width)
            and _is_within(self.children, nodes)
            and _is_within(self.children[~is_leaf], nodes - 1)
            and bool(np.isposinf(self.thresholds[is_leaf]).all())
        )
        if not fits:
            raise ValueError("The arrays are not those of a forest.")


def _packed(array: Array) -> str:
    return base64.b64encode(zlib.compress(array.tobytes())).decode()


def _unpacked(text: str, kind: type) -> Array:
    content = zlib.decompressobj().decompress(base64.b64decode(text), MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise ValueError("An array is too large.")
    return np.frombuffer(content, kind).copy()


def _is_within(places: Array, end: int) -> bool:
    return bool(((places >= 0) & (places < end)).all())
