"""Builds that need not be done: the same files were built before, by the same tools.

What is found belongs to the same workspace, so that nobody learns from the time of a build what others have. Only the example
models, which every workspace has, are built once for all of them: their builds are kept in the site's own workspace.
"""

from functools import cache

from django.conf import settings
from django.utils import timezone

from sandbox.builds import store
from sandbox.builds.fingerprint import fingerprint
from sandbox.builds.operations import BuiltModel
from sandbox.registry import example_models
from sandbox.serving.models import BuildStatus, ModelBuild
from sandbox.workspaces.operations import system_workspace

SAME_FILES = "The same files have been built before, with the same tools; this is the log of that build."


def find(build: ModelBuild, files: str) -> BuiltModel | None:
    """What an earlier build made of files with this fingerprint; None when there is none, or its file is lost or damaged."""
    if not files:
        return None
    owner = system_workspace() if files in _examples() else build.workspace
    found = (
        ModelBuild.objects.filter(workspace=owner, fingerprint=files, status=BuildStatus.READY).order_by("-finished_at").first()
    )
    if found is None:
        return None
    path = settings.MODEL_DIR / found.model_sha256
    if not store.is_intact(path, found.model_sha256):
        return None
    log = found.log if found.log.startswith(SAME_FILES) else f"{SAME_FILES}\n{found.log}"
    return BuiltModel(found.model_sha256, path, found.signature, log, runtime="pyfunc" if found.runtime == "pyfunc" else "onnx")


def keep_for_all(built: BuiltModel, files: str) -> None:
    """Have every workspace find the build, if it is one of an example; workspaces come and go, the site's own stays."""
    if files not in _examples():
        return
    facts = {"runtime": built.runtime, "signature": built.signature, "log": built.log, "model_sha256": built.sha256}
    ModelBuild.objects.update_or_create(
        workspace=system_workspace(),
        entity_name="example",
        entity_version="1",
        source=files,
        defaults={**facts, "fingerprint": files, "status": BuildStatus.READY, "finished_at": timezone.now()},
    )


@cache
def _examples() -> frozenset[str]:
    """Fingerprints of the models that the site itself gives to every workspace."""
    return frozenset(fingerprint(example_models.model_directory(example)) for example in example_models.EXAMPLES)
