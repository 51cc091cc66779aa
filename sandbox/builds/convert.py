"""The build job: a learner's logged model in, one ONNX file that predicts the same out. Runs in the jail.

It loads the model (which may run anything its author wanted), writes it as ONNX with 64-bit numbers, compares both on the
logged input example and on synthetic rows, and puts the signature into the file. What it returns is untrusted like the
model it came from: `sandbox.builds.trial` looks at it in a second jail.

The modules that only jobs import (this one and those beside it that it imports) are the only importers of
scikit-learn, skl2onnx, skops and pandas.
"""

import sys
import warnings
from collections.abc import Callable
from typing import Any

import onnx
import skl2onnx
import sklearn
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, StringTensorType
from sklearn.base import is_classifier

from sandbox.builds import boosters, imputers, linear, neighbours, trees
from sandbox.builds.adopt import adopt_onnx, attach_signature
from sandbox.builds.agreement import Agreement
from sandbox.builds.forests import forest_of
from sandbox.builds.mlmodel import LoggedModel, flavour_to_convert, read_mlmodel
from sandbox.builds.not_convertible import FACT, NotConvertible
from sandbox.builds.parcel import Parcel, unpack
from sandbox.builds.prepare import model_inputs, needs_columns, prepared_for_conversion
from sandbox.builds.refusals import with_refusals
from sandbox.builds.rows import Rows, first_line
from sandbox.builds.signature import InputField, Layout, Output, Signature
from sandbox.builds.unpickle import describe, load_estimator
from sandbox.builds.validate import validate
from sandbox.jail.errors import JobProblem
from sandbox.replicas.runtimes.onnx import OnnxRuntime

PRELOAD = ("cloudpickle", "joblib")

_OPERATOR_SETS = {"": 21, "ai.onnx.ml": 3}
_PRECISIONS = ("float64", "float32")
"""Tried in this order; the second for estimators that have no 64-bit form in ONNX."""

Note = Callable[[str], None]


def run(payload: bytes) -> bytes:
    """Payload: a parcel of the model's files. Result: a parcel with `model.onnx`, its signature and the log; for a model that
    has no ONNX form a parcel without files that says why."""
    warnings.simplefilter("ignore")
    for converters in (trees, linear, imputers, neighbours, boosters):
        converters.register()
    log: list[str] = []

    def note(line: str) -> None:
        log.append(line)
        print(line, file=sys.stderr)

    files = unpack(payload).files
    if "MLmodel" not in files:
        raise JobProblem("The model has no MLmodel file. Log it with mlflow.sklearn.log_model.")
    try:
        content, signature = _build(read_mlmodel(files["MLmodel"]), files, note)
    except NotConvertible as verdict:
        return Parcel({FACT: str(verdict), "log": log}).pack()
    return Parcel({"signature": signature.to_dict(), "log": log}, {"model.onnx": content}).pack()


def _build(logged: LoggedModel, files: dict[str, bytes], note: Note) -> tuple[bytes, Signature]:
    flavour = flavour_to_convert(logged)
    if logged.model_file not in files:
        raise JobProblem(
            f"The MLmodel file names {logged.model_file!r}, which is not among the model's files. Log the model again."
        )
    if flavour == "onnx":
        return adopt_onnx(files[logged.model_file], logged, note)
    return _convert(_load(flavour, logged, files[logged.model_file], note), logged, files, note)


def _load(flavour: str, logged: LoggedModel, content: bytes, note: Note) -> Any:
    """The fitted estimator. Raises JobProblem."""
    is_text = logged.model_class == "lightgbm.basic.Booster"
    if flavour == "sklearn" or (flavour == "lightgbm" and not is_text):
        return load_estimator(content, logged.model_file, logged.serialization_format, note)
    try:
        model = boosters.load_lightgbm(content) if is_text else boosters.load_xgboost(content, logged.model_class)
    except NotConvertible:
        raise
    except Exception as error:
        raise JobProblem(f"{logged.model_file} could not be loaded with {flavour}: {first_line(error)}.") from None
    note(f"Loaded {logged.model_file} ({len(content)} bytes): {describe(model)}.")
    return model


def _convert(model: Any, logged: LoggedModel, files: dict[str, bytes], note: Note) -> tuple[bytes, Signature]:
    """The closest ONNX form of a scikit-learn estimator. Raises JobProblem when there is none that is close enough."""
    if logged.predict_method not in {"predict", "predict_proba"} or not hasattr(model, logged.predict_method):
        raise NotConvertible(
            f"{describe(model)} has no method {logged.predict_method!r} that can be served; predict and predict_proba can."
        )
    inputs = model_inputs(model, logged)
    rows = Rows(model, logged, inputs, files, note)
    best: tuple[Agreement, bytes, Signature] | None = None
    problem: Exception | None = None
    for precision in _PRECISIONS:
        try:
            signature, content = _write(model, logged, inputs, rows, precision)
            outcome = rows.compare(OnnxRuntime(content), signature)
        except JobProblem:
            raise
        except Exception as error:
            note(f"Not possible as {precision}: {type(error).__name__}: {first_line(error)}")
            problem = problem or error
            continue
        note(f"As {precision}: {len(content)} bytes, predictions {outcome.sentence()}.")
        if best is None or outcome.distance < best[0].distance:
            best = (outcome, content, signature)
        if outcome.is_exact:
            break
    if best is None:
        raise _cannot_convert(model, problem)
    if not best[0].is_close:
        raise NotConvertible(f"The ONNX form of {describe(model)} does not predict the same as the model: {best[0].sentence()}.")
    return _with_refusals(best[1], best[2], model, rows)


def _with_refusals(content: bytes, signature: Signature, model: Any, rows: Rows) -> tuple[bytes, Signature]:
    """The file with all that is known of the model. Raises NotConvertible when a replica would not load it."""
    try:
        converted = validate(content)
    except JobProblem as problem:
        raise NotConvertible(f"{describe(model)} as ONNX: {problem}") from None
    signature = with_refusals(signature, model, rows)
    return attach_signature(converted, signature, forest_of(model, signature)), signature


def _write(
    model: Any, logged: LoggedModel, inputs: tuple[InputField, ...], rows: Rows, precision: str
) -> tuple[Signature, bytes]:
    """The model as ONNX with its signature attached."""
    signature = _signature(model, logged, inputs, rows.prediction, precision)
    converted = skl2onnx.convert_sklearn(
        prepared_for_conversion(model, rows.example),
        initial_types=_initial_types(signature),
        # without it a classifier's probabilities become a list of dictionaries
        options={"zipmap": False} if is_classifier(model) else None,
        target_opset=_OPERATOR_SETS,
    )
    position = 1 if logged.predict_method == "predict_proba" else 0
    _keep_output(converted.graph, position)
    trees.declare_operator_sets(converted)
    return signature, attach_signature(converted, signature)


def _signature(model: Any, logged: LoggedModel, inputs: tuple[InputField, ...], prediction: Any, precision: str) -> Signature:
    is_tensor = inputs[0].shape != ()
    layout: Layout = "tensors" if is_tensor else "per_column" if needs_columns(model, inputs) else "matrix"
    typed = tuple(
        InputField(each.name, each.type, each.required, "str" if each.dtype == "str" else precision, each.shape)
        for each in inputs
    )
    kinds = {"f": "double", "i": "long", "u": "long", "b": "boolean"}
    return Signature(
        kind="tensor" if is_tensor else "columns",
        layout=layout,
        inputs=typed,
        output=Output(
            name=logged.predict_method if logged.predict_method != "predict" else "prediction",
            type=kinds.get(prediction.dtype.kind, "string"),
            form="scalar" if prediction.ndim == 1 else "vector",
        ),
        dtype=typed[0].dtype if layout == "matrix" else "",
        estimator=describe(model),
        versions={
            "scikit-learn": sklearn.__version__,
            **boosters.versions(model),
            "skl2onnx": skl2onnx.__version__,
            "onnx": onnx.__version__,
            "logged with scikit-learn": logged.sklearn_version,
        },
        is_declared=logged.inputs is not None,
        params=logged.params,
    )


def _initial_types(signature: Signature) -> list[tuple[str, Any]]:
    kinds = {"str": StringTensorType, "float64": DoubleTensorType, "float32": FloatTensorType}
    if signature.layout == "per_column":
        return [(each.name, kinds[each.dtype]([None, 1])) for each in signature.inputs]
    width = signature.inputs[0].shape[1] if signature.layout == "tensors" else len(signature.inputs)
    return [("input", kinds[signature.inputs[0].dtype]([None, width]))]


def _keep_output(graph: Any, position: int) -> None:
    """Drop the graph's other outputs and every node that only they need."""
    if position >= len(graph.output):
        raise NotImplementedError("its ONNX form has no probabilities")
    kept = graph.output[position]
    needed = {kept.name}
    nodes = []
    for node in reversed(graph.node):
        if needed & set(node.output):
            nodes.append(node)
            needed |= set(node.input)
    for items, chosen in (
        (graph.output, [kept]),
        (graph.node, list(reversed(nodes))),
        (graph.initializer, [each for each in graph.initializer if each.name in needed]),
    ):
        copies = [type(each).FromString(each.SerializeToString()) for each in chosen]
        del items[:]
        items.extend(copies)


def _cannot_convert(model: Any, problem: Exception | None) -> NotConvertible:
    """The sentence for an estimator without an ONNX form, naming the part that has none where that is known."""
    text = first_line(problem)
    named = text.split("<class '")[1].split("'")[0].rpartition(".")[2] if "<class 'sklearn." in text else describe(model)
    reason = "no converter for it" if "shape calculator" in text or "converter for" in text else text
    return NotConvertible(f"{named} cannot be converted to ONNX by skl2onnx {skl2onnx.__version__}: {reason}.")
