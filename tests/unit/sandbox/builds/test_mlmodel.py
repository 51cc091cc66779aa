"""Reading MLmodel files: what counts, what is ignored, what is refused."""

import json

import pytest
import yaml

from sandbox.builds.mlmodel import LONGEST_BYTES, read_mlmodel
from sandbox.builds.not_convertible import NotConvertible
from sandbox.builds.signature import InputField, Output, ParamField, Signature
from sandbox.jail.errors import JobProblem

SKLEARN = {"pickled_model": "model.pkl", "serialization_format": "cloudpickle", "sklearn_version": "1.9.1"}


def mlmodel(inputs: object = None, **flavours: object) -> bytes:
    raw: dict[str, object] = {"flavors": flavours or {"sklearn": SKLEARN}}
    if inputs is not None:
        raw["signature"] = {"inputs": inputs if isinstance(inputs, str) else json.dumps(inputs), "outputs": None}
    return yaml.safe_dump(raw).encode()


def test_it_works() -> None:
    columns = [{"name": "tenure", "type": "long", "required": True}, {"name": "plan", "type": "string", "required": False}]
    read = read_mlmodel(mlmodel(columns))
    assert (read.flavours, read.model_file, read.predict_method) == (("sklearn",), "model.pkl", "predict")
    assert read.inputs == (InputField("tenure", "long", True), InputField("plan", "string", False))
    assert not read.is_tensor


def test_tensors_keep_their_shape() -> None:
    read = read_mlmodel(mlmodel([{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 4]}}]))
    assert read.is_tensor
    assert read.inputs == (InputField("", "float64", True, "float64", (-1, 4)),)


def test_no_signature_is_none() -> None:
    assert read_mlmodel(mlmodel()).inputs is None


@pytest.mark.parametrize(
    "content", [b"", b"- a\n- b", b"flavors: 3", b"{", b"\xff\xfe\x00", b"!!python/object/apply:os.system [id]"]
)
def test_what_is_no_mlmodel_is_refused(content: bytes) -> None:
    with pytest.raises(JobProblem, match="MLmodel"):
        read_mlmodel(content)


def test_a_long_file_is_not_even_parsed() -> None:
    with pytest.raises(JobProblem, match=f"has {LONGEST_BYTES + 1} bytes"):
        read_mlmodel(b"#" * (LONGEST_BYTES + 1))


def test_a_column_that_has_no_onnx_form_is_named() -> None:
    with pytest.raises(NotConvertible, match=r"Column 'picture' of the signature has type binary; an ONNX form takes boolean, "):
        read_mlmodel(mlmodel([{"name": "picture", "type": "binary"}]))
    with pytest.raises(NotConvertible, match="have no names"):
        read_mlmodel(mlmodel([{"type": "double"}]))


def test_parameters_are_read() -> None:
    content = mlmodel([{"name": "a", "type": "double"}])
    params = json.dumps(
        [{"name": "top", "type": "long", "default": 3, "shape": None}, {"name": "l", "type": "double", "shape": [-1]}]
    )
    raw = yaml.safe_load(content)
    raw["signature"]["params"] = params
    assert read_mlmodel(yaml.safe_dump(raw).encode()).params == (
        ParamField("top", "long", 3),
        ParamField("l", "double", None, (-1,)),
    )
    assert read_mlmodel(content).params is None


@pytest.mark.parametrize("inputs", ["{", '"text"', "[1]"])
def test_a_broken_signature_is_refused(inputs: str) -> None:
    with pytest.raises(JobProblem, match="not a JSON list of columns"):
        read_mlmodel(mlmodel(inputs))


def test_a_signature_survives_json() -> None:
    signature = Signature(
        kind="tensor",
        layout="tensors",
        inputs=(InputField("", "float32", True, "float32", (-1, 3)),),
        output=Output("prediction", "double", "vector"),
        estimator="LinearRegression",
        versions={"onnx": "1"},
        is_declared=False,
    )
    assert Signature.from_json(signature.to_json()) == signature
