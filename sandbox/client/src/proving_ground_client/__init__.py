"""Feature engineering against a Proving Ground site; `activate()` makes it importable as `databricks.feature_engineering`."""

import importlib.util
import sys
from types import ModuleType

from proving_ground_client import entities
from proving_ground_client.client import FeatureEngineeringClient
from proving_ground_client.entities import FeatureFunction, FeatureLookup
from proving_ground_client.frames import Frame
from proving_ground_client.spark import SparkSession
from proving_ground_client.training_set import TrainingSet

__all__ = ["FeatureEngineeringClient", "FeatureFunction", "FeatureLookup", "Frame", "SparkSession", "TrainingSet", "activate"]
NAME = "databricks.feature_engineering"


def activate() -> None:
    """From here on `from databricks.feature_engineering import …` gives these classes, in this process.

    Raises RuntimeError when another package of that name is installed.
    """
    if NAME in sys.modules and getattr(sys.modules[NAME], "__package_of__", "") == __name__:
        return
    import databricks  # the SDK's namespace

    if NAME in sys.modules or importlib.util.find_spec(NAME) is not None:
        raise RuntimeError(f"Another package offers {NAME}. Uninstall it, or leave activate() out.")
    package = ModuleType(NAME, "Feature engineering against a Proving Ground site.")
    package.__path__ = []
    vars(package).update({"__package_of__": __name__, **{name: globals()[name] for name in __all__ if name != "activate"}})
    inner = {
        "entities": ModuleType(f"{NAME}.entities"),
        "entities.feature_lookup": entities,
        "entities.feature_function": entities,
        "training_set": sys.modules["proving_ground_client.training_set"],
    }
    inner["entities"].__path__ = []
    inner["entities"].feature_lookup = inner["entities"].feature_function = entities  # type: ignore[attr-defined]  # modules take any attribute
    sys.modules[NAME] = package
    for name, module in inner.items():
        sys.modules[f"{NAME}.{name}"] = module
    package.entities, package.training_set = inner["entities"], inner["training_set"]  # type: ignore[attr-defined]  # modules take any attribute
    databricks.feature_engineering = package  # type: ignore[attr-defined]  # modules take any attribute
