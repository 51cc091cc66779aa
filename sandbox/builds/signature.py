"""What a stored model expects and returns: the JSON under `pg_signature` in the ONNX file's metadata.

Example of a model with two columns that returns a label::

    {"kind": "columns", "layout": "per_column", "dtype": "",
     "inputs": [{"name": "tenure", "type": "long", "required": true, "dtype": "float64", "shape": []},
                {"name": "plan", "type": "string", "required": true, "dtype": "str", "shape": []}],
     "output": {"name": "output_label", "type": "string", "form": "scalar"},
     "estimator": "Pipeline(LogisticRegression)", "versions": {"scikit-learn": "1.9.1"}, "is_declared": true}

No heavy imports and no Django: replicas read it.
"""

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self

METADATA_KEY = "pg_signature"
FOREST_KEY = "pg_forest"
"""Of a `sandbox.builds.forest_arrays.ForestArrays` in the same metadata; most models have none."""

Kind = Literal["columns", "tensor"]
Layout = Literal["per_column", "matrix", "tensors"]
Form = Literal["scalar", "vector", "record"]

NUMERIC_TYPES = ("boolean", "integer", "long", "float", "double")
COLUMN_TYPES = (*NUMERIC_TYPES, "string", "datetime")
"""MLflow's column types that an ONNX form can take; a datetime goes in as nanoseconds since 1970."""

MISSING_TEXT, NONE_TEXT, OTHER_TEXT, NESTED_TEXT = "\ue000missing", "\ue000none", "\ue000other", "\ue000nested"
"""Stand in a column of texts for what is none: NaN (a gap beside texts), None (a gap in a column without any text), values of
other types, lists and objects. ONNX has only texts; the first character is one that nobody writes."""


def text_marker(value: object) -> str:
    """What stands for a value that is no text."""
    if value is None:
        return NONE_TEXT
    if isinstance(value, list | dict):
        return NESTED_TEXT
    return MISSING_TEXT if isinstance(value, float) and value != value else OTHER_TEXT


@dataclass(frozen=True)
class InputField:
    """One column of the logged signature, or one tensor."""

    name: str
    """Empty for an unnamed tensor."""
    type: str
    """A column's MLflow type (`COLUMN_TYPES`); a tensor's NumPy dtype, as logged (`float64`)."""
    required: bool = True
    dtype: str = "float64"
    """What the model reads it as: a NumPy dtype, or `str`."""
    shape: tuple[int, ...] = ()
    """A tensor's shape; -1 stands for any length, the first one counts the rows. Empty for a column."""
    refuses: dict[str, str] = field(default_factory=dict)
    """What the model raises on, found out by trying, and what it says then: `missing` (a gap), `absent` (an optional column
    that was not sent), `none`, `other`, `nested` (see NONE_TEXT and its neighbours), `unknown` (a value that is not in
    `known`)."""
    known: tuple[str | float, ...] = ()
    """The only values that the model takes, where `refuses` has `unknown`."""


@dataclass(frozen=True)
class Output:
    """What `predict` returns for each row."""

    name: str
    type: str
    """`string`, `long`, `double` or `boolean`; of the values inside a vector or a record alike."""
    form: Form = "scalar"
    """A value, a list of values (several targets, probabilities), or {output name: value} (a logged ONNX model)."""


@dataclass(frozen=True)
class ParamField:
    """One inference parameter of the logged signature."""

    name: str
    type: str
    """An MLflow type name."""
    default: Any = None
    shape: tuple[int, ...] | None = None
    """(-1,) for a list, None for a single value."""


@dataclass(frozen=True)
class Signature:
    """How to call the model in the file.

    `layout` says which arrays the runtime takes:

    - `matrix`: one array (rows, number of inputs) of `dtype`, the columns in the order of `inputs`;
    - `per_column`: one array (rows, 1) for each input, of that input's `dtype` (`str` means an object array of str);
    - `tensors`: one array for each input, of its `dtype` and `shape`.
    """

    kind: Kind
    layout: Layout
    inputs: tuple[InputField, ...]
    output: Output
    dtype: str = ""
    """Of a matrix: `float32`, `float64`, `int64` or `str`; empty for the other layouts."""
    estimator: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    is_declared: bool = True
    """False when the model was logged without a signature and this one was read off the estimator."""
    params: tuple[ParamField, ...] | None = None
    """None when the signature has no schema of parameters: then whatever is sent as `params` is ignored."""
    refuses: dict[str, str] = field(default_factory=dict)
    """Of whole requests: `always`, `no_rows`, `infinite`, `too_large` (a number that 32 bits cannot hold)."""

    @property
    def names(self) -> list[str]:
        return [each.name for each in self.inputs]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def to_json(self) -> str:
        return json.dumps(self.to_dict())

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> Self:
        """Raises KeyError, TypeError or ValueError when `raw` is no signature."""
        inputs = tuple(_input_field(each) for each in raw["inputs"])
        params = raw.get("params")
        fields = None if params is None else tuple(_param_field(each) for each in params)
        return cls(**{**raw, "inputs": inputs, "output": Output(**raw["output"]), "params": fields})

    @classmethod
    def from_json(cls, text: str) -> Self:
        return cls.from_dict(json.loads(text))


def _input_field(raw: dict[str, Any]) -> InputField:
    return InputField(**{**raw, "shape": tuple(raw.get("shape", ())), "known": tuple(raw.get("known", ()))})


def _param_field(raw: dict[str, Any]) -> ParamField:
    shape = raw.get("shape")
    return ParamField(**{**raw, "shape": None if shape is None else tuple(shape)})
