"""Models from code (`tests/models_from_code`), saved as MLflow models for tests."""

from pathlib import Path
from typing import Any

CODE = Path(__file__).parent / "models_from_code"


def save(name: str, directory: Path, **options: Any) -> Path:
    """The model of `models_from_code/<name>.py` in `directory`."""
    import mlflow.pyfunc

    requirements = ["mlflow"]  # given, so that MLflow does not look for them, which takes seconds
    mlflow.pyfunc.save_model(str(directory), python_model=str(CODE / f"{name}.py"), pip_requirements=requirements, **options)
    return directory
