"""Load a learner's fitted estimator. Runs in the jail, because loading a pickle runs whatever its author wanted."""

import io
import pickle
import warnings
from collections.abc import Callable
from typing import Any

import sklearn

from sandbox.builds.not_convertible import NotConvertible
from sandbox.jail.errors import JobProblem

_TRUSTED_PACKAGES = ("sklearn.", "numpy.", "scipy.", "xgboost.", "lightgbm.")
_TRUSTED_BUILTINS = (
    "builtins.object",
    "builtins.bool",
    "builtins.int",
    "builtins.float",
    "builtins.str",
    "collections.OrderedDict",
)
_NEVER_TRUSTED = ("numpy.testing", "numpy.f2py", "numpy.distutils", "sklearn.utils._testing", "sklearn.datasets")
"""Parts of those packages that run programs, fetch files or evaluate text."""

_LOG_WITH_CLOUDPICKLE = (
    "Log the model with mlflow.sklearn.log_model(…, serialization_format='cloudpickle'), which carries such parts along."
)


def load_estimator(content: bytes, file_name: str, serialization_format: str, note: Callable[[str], None]) -> Any:
    """The estimator in the file. Raises JobProblem with a sentence for the learner; `note` takes lines for the log."""
    is_skops = serialization_format == "skops" or file_name.endswith(".skops")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            model = _load_skops(content) if is_skops else _load_pickle(content)
        except JobProblem:
            raise
        except MemoryError:
            raise JobProblem("Loading the model needs more memory than a build may use.") from None
        except ModuleNotFoundError as error:
            raise NotConvertible(
                f"The model needs the Python module {error.name!r}, which is not available here; models made of scikit-learn, "
                "NumPy, SciPy and pandas objects are. Replace that part, or log the model as ONNX (mlflow.onnx.log_model)."
            ) from None
        except Exception as error:
            raise _cannot_load(error) from None
    for line in dict.fromkeys(str(each.message).split("\n")[0] for each in caught):
        note(f"Warning while loading: {line[:300]}")
    note(f"Loaded {file_name} ({len(content)} bytes): {describe(model)}.")
    return model


def describe(model: Any) -> str:
    """The estimator's class, with the last step's for a pipeline."""
    steps = getattr(model, "steps", None)
    if steps:
        return f"{type(model).__name__}({type(steps[-1][1]).__name__})"
    return type(model).__name__


def _load_skops(content: bytes) -> Any:
    """Load by our own list of trusted types; the list in the learner's MLmodel is not looked at."""
    import skops.io

    found = skops.io.get_untrusted_types(data=content)
    refused = [name for name in found if not _is_trusted(name)]
    if refused:
        raise NotConvertible(
            f"The skops file contains types that are not trusted here: {', '.join(refused)[:500]}. "
            "Trusted are those of scikit-learn, NumPy and SciPy. " + _LOG_WITH_CLOUDPICKLE
        )
    return skops.io.loads(content, trusted=found)


def _is_trusted(name: str) -> bool:
    return name in _TRUSTED_BUILTINS or (name.startswith(_TRUSTED_PACKAGES) and not name.startswith(_NEVER_TRUSTED))


def _load_pickle(content: bytes) -> Any:
    """pickle, cloudpickle and joblib; inside the jail it does not matter which functions the file calls."""
    if content[:1] == b"\x80" and b"joblib.numpy_pickle" not in content[:1_000_000]:
        return pickle.loads(content)  # noqa: S301 - this is what the jail is for
    import joblib

    return joblib.load(io.BytesIO(content))


def _cannot_load(error: Exception) -> NotConvertible:
    text = f"{type(error).__name__}: {str(error)[:300]}"
    if "__main__" in text:
        return NotConvertible(
            f"The model uses something defined in your notebook that was not saved with it ({text}). {_LOG_WITH_CLOUDPICKLE}"
        )
    return NotConvertible(
        f"The model file could not be loaded with scikit-learn {sklearn.__version__} ({text}). "
        f"Fit and log it again with scikit-learn {sklearn.__version__}, or log it as ONNX (mlflow.onnx.log_model)."
    )
