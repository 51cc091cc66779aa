"""Site configuration. Whoever can import `config` can import `quizzes` and `sandbox`."""

import sys
from pathlib import Path

_ROOT = str(Path(__file__).resolve().parents[2])
if _ROOT not in sys.path:
    sys.path.insert(0, _ROOT)

from config.celery_app import app as celery_app

__all__ = ["celery_app"]
