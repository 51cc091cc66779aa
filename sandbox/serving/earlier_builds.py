"""Builds that need not be done: the same files were built before, by the same tools.

What is found belongs to the same workspace, so that nobody learns from the time of a build what others have. Only the example
models, which every workspace has, are built once for all of them.
"""

from functools import cache

from django.conf import settings

from sandbox.builds import store
from sandbox.builds.fingerprint import fingerprint
from sandbox.builds.operations import BuiltModel
from sandbox.registry import example_models
from sandbox.serving.models import BuildStatus, ModelBuild

SAME_FILES = "The same files have been built before, with the same tools; this is the log of that build."


def find(build: ModelBuild, files: str) -> BuiltModel | None:
    """What an earlier build made of files with this fingerprint; None when there is none, or its file is lost or damaged."""
    same = ModelBuild.objects.filter(fingerprint=files, status=BuildStatus.READY)
    if files not in _examples():
        same = same.filter(workspace=build.workspace)
    found = same.order_by("-finished_at").first() if files else None
    if found is None:
        return None
    path = settings.MODEL_DIR / found.model_sha256
    if not store.is_intact(path, found.model_sha256):
        return None
    log = found.log if found.log.startswith(SAME_FILES) else f"{SAME_FILES}\n{found.log}"
    return BuiltModel(found.model_sha256, path, found.signature, log, runtime="pyfunc" if found.runtime == "pyfunc" else "onnx")


@cache
def _examples() -> frozenset[str]:
    """Fingerprints of the models that the site itself gives to every workspace."""
    return frozenset(fingerprint(example_models.model_directory(example)) for example in example_models.EXAMPLES)
