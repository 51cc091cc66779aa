"""The logged signature as MLflow's enforcement looks at it: names, types of NumPy and pandas, and its spelling in messages."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from sandbox.builds.signature import Signature

NUMPY_TYPES: dict[str, np.dtype[Any]] = {
    "boolean": np.dtype("bool"),
    "integer": np.dtype("int32"),
    "long": np.dtype("int64"),
    "float": np.dtype("float32"),
    "double": np.dtype("float64"),
    "string": np.dtype("str"),
    "datetime": np.dtype("datetime64[ns]"),
}


@dataclass(frozen=True)
class Field:
    """A column (`type` is MLflow's name) or a tensor (`type` is empty)."""

    name: str
    type: str
    numpy: np.dtype[Any]
    required: bool
    shape: tuple[int, ...]

    @property
    def pandas(self) -> Any:
        """What pandas holds it as: texts are objects."""
        return object if self.type == "string" else self.numpy

    def __str__(self) -> str:
        name = f"{self.name!r}: " if self.name else ""
        if self.type:
            return f"{name}{self.type} ({'required' if self.required else 'optional'})"
        return f"{name}Tensor({self.numpy.name!r}, {self.shape})"


@dataclass(frozen=True)
class Schema:
    """The fields in their order; either all are named or none is."""

    fields: tuple[Field, ...]
    is_tensor: bool

    @classmethod
    def of(cls, signature: Signature) -> Self | None:
        """None for a model that was logged without a signature."""
        if not signature.is_declared:
            return None
        is_tensor = signature.kind == "tensor"
        return cls(
            tuple(
                Field(
                    each.name,
                    "" if is_tensor else each.type,
                    np.dtype(each.type) if is_tensor else NUMPY_TYPES[each.type],
                    each.required,
                    each.shape,
                )
                for each in signature.inputs
            ),
            is_tensor,
        )

    @property
    def is_named(self) -> bool:
        return bool(self.fields[0].name)

    @property
    def by_name(self) -> dict[str, Field]:
        return {each.name: each for each in self.fields} if self.is_named else {}

    def names(self, *, required: bool) -> list[str]:
        return [each.name for each in self.fields if each.name and each.required == required]

    def __str__(self) -> str:
        return "[" + ", ".join(map(str, self.fields)) + "]"
