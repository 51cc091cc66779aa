"""Turns a registered model version into the file that replicas load: once, with a lease and a limit on tries.

A build can kill its process (finding G of the reliability notes: Celery would run it again for ever), so each start is
counted in the database before anything of the model is touched, and the third death ends it.
"""

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from sandbox.builds.fingerprint import fingerprint
from sandbox.builds.operations import BuildFailed, BuiltModel, build_model
from sandbox.control_queue import enqueue
from sandbox.errors import ApiError
from sandbox.registry import store
from sandbox.serving import earlier_builds, events
from sandbox.serving.control_queue import BUILD
from sandbox.serving.models import BuildStatus, Deployment, ModelBuild, ServedEntity
from sandbox.workspaces.models import Workspace

MAX_DELIVERIES = 3
BUILDS_AT_ONCE = 2
"""On one site. A class that deploys at the same moment must not take the control worker's threads from the capture drain."""
LEASE = timedelta(seconds=10)
RENEW_S = 2.0
SOURCE_CHARACTERS = 500
"""As many as the column takes; the registry takes longer ones."""
QUEUED_FOR = timedelta(seconds=10)
"""A waiting build is sent to the queue again after this long."""
QUARANTINED = (
    "Building the model was given up: {deliveries} times the process that did it ended without an answer. "
    "Register a new version of the model."
)
BUILT_MESSAGE = "Container image creation finished successfully."


def find_or_open(workspace: Workspace, entity_name: str, entity_version: str) -> ModelBuild:
    """The build of the version as the registry has it now; a build that failed earlier may try again.

    Raises ResourceDoesNotExist (no such version in this workspace) and InvalidState (a version that is not READY).
    """
    version = store.get_version(workspace.id, entity_name, entity_version)
    build, is_new = ModelBuild.objects.get_or_create(
        workspace=workspace,
        entity_name=entity_name,
        entity_version=entity_version,
        source=f"{version.created_ms} {version.run_id} {version.source}"[:SOURCE_CHARACTERS],
    )
    if not is_new and (build.status == BuildStatus.FAILED or _file_is_lost(build)):
        _open_again(build)
    return build


def move_on(build: ModelBuild) -> ModelBuild:
    """Send a build that waits when there is room, end one that has died too often; returns the row as it is now."""
    now = timezone.now()
    died = ModelBuild.objects.filter(id=build.id, status=BuildStatus.BUILDING, lease_until__lt=now)
    died.filter(deliveries__gte=MAX_DELIVERIES).update(
        status=BuildStatus.FAILED, message=QUARANTINED.format(deliveries=build.deliveries), finished_at=now
    )
    died.update(status=BuildStatus.WAITING, lease_until=None)
    waiting = ModelBuild.objects.filter(Q(lease_until=None) | Q(lease_until__lt=now), id=build.id, status=BuildStatus.WAITING)
    if _under_way(now) < BUILDS_AT_ONCE and waiting.update(lease_until=now + QUEUED_FOR):
        enqueue(BUILD, build.id)
    build.refresh_from_db()
    return build


def _under_way(now: datetime) -> int:
    """Builds that somebody has in hand or that are in the queue; the tick sends the next one when there is room."""
    return ModelBuild.objects.filter(status__in=[BuildStatus.WAITING, BuildStatus.BUILDING], lease_until__gte=now).count()


def run(build_id: str) -> list[str]:
    """Build the model unless somebody else does; returns the endpoints that wait for it."""
    build = _claim(build_id)
    if build is None:
        return []
    _record(build, f"Building {build.entity_name} version {build.entity_version} (try {build.deliveries}).")
    try:
        with _lease_renewed(build), _directory(build) as directory:
            built, files = _build(build, directory)
    except BuildFailed as failure:
        _finish(build, status=BuildStatus.FAILED, message=failure.message, log=failure.log)
    except ApiError as error:
        _finish(build, status=BuildStatus.FAILED, message=error.message, log=error.message)
    except Exception:
        _give_back(build)
        raise
    else:
        _finish(
            build,
            status=BuildStatus.READY,
            model_sha256=built.sha256,
            runtime=built.runtime,
            fingerprint=files,
            signature=built.signature,
            log=built.log,
        )
        _record(build, BUILT_MESSAGE)
    return waiting_endpoints(build)


def waiting_endpoints(build: ModelBuild) -> list[str]:
    waiting = ServedEntity.objects.filter(build=build, deployment=Deployment.CREATING)
    return sorted(set(waiting.values_list("config__endpoint_id", flat=True)))


def _claim(build_id: str) -> ModelBuild | None:
    """Take the build and count the try before anything of the model is touched."""
    now = timezone.now()
    free = Q(status=BuildStatus.WAITING) | Q(status=BuildStatus.BUILDING, lease_until__lt=now)
    claimed = ModelBuild.objects.filter(free, id=build_id, deliveries__lt=MAX_DELIVERIES).update(
        status=BuildStatus.BUILDING, lease_until=now + LEASE, deliveries=F("deliveries") + 1
    )
    return ModelBuild.objects.select_related("workspace").get(id=build_id) if claimed else None


def _build(build: ModelBuild, directory: Path) -> tuple[BuiltModel, str]:
    """The model and the fingerprint of its files."""
    version = store.get_version(build.workspace_id, build.entity_name, build.entity_version)
    store.fetch_artifacts(build.workspace_id, version, directory)
    files = fingerprint(directory)
    if earlier := earlier_builds.find(build, files):
        return earlier, files
    built = build_model(directory)
    earlier_builds.keep_for_all(built, files)
    return built, files


def _give_back(build: ModelBuild) -> None:
    """Something went wrong that nobody foresaw: another try, as long as there is one."""
    if build.deliveries >= MAX_DELIVERIES:
        _finish(build, status=BuildStatus.FAILED, message="Build could not be finished due to an internal error.")
    else:
        _mine(build).update(status=BuildStatus.WAITING, lease_until=None)


def _finish(build: ModelBuild, **facts: object) -> None:
    """Write the outcome, unless the lease was lost and somebody else writes it."""
    _mine(build).update(finished_at=timezone.now(), lease_until=None, **facts)


def _mine(build: ModelBuild) -> QuerySet[ModelBuild]:
    return ModelBuild.objects.filter(id=build.id, status=BuildStatus.BUILDING, deliveries=build.deliveries)


def _open_again(build: ModelBuild) -> None:
    ModelBuild.objects.filter(id=build.id).exclude(status=BuildStatus.BUILDING).update(
        status=BuildStatus.WAITING, deliveries=0, message="", log="", lease_until=None, finished_at=None
    )
    build.refresh_from_db()


def _file_is_lost(build: ModelBuild) -> bool:
    return build.status == BuildStatus.READY and not (settings.MODEL_DIR / build.model_sha256).exists()


def _record(build: ModelBuild, message: str) -> None:
    """An event on each endpoint that waits for the build."""
    for entity in ServedEntity.objects.select_related("config").filter(build=build, deployment=Deployment.CREATING):
        events.of_entity(entity, events.CONTAINER_EVENT, message)


@contextmanager
def _directory(build: ModelBuild) -> Iterator[Path]:
    """A place for the model's files that is known by the try, so that a later try can clear up after a dead one."""
    place = settings.DATA_DIR / "building"
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    for left_over in place.glob(f"{build.id}-*"):
        shutil.rmtree(left_over, ignore_errors=True)
    directory = place / f"{build.id}-{build.deliveries}"
    directory.mkdir(mode=0o700)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def _lease_renewed(build: ModelBuild) -> Iterator[None]:
    """Keep the lease while the build runs; when this process dies the lease runs out by itself."""
    done = threading.Event()

    def renew() -> None:
        try:
            while not done.wait(RENEW_S):
                _mine(build).update(lease_until=timezone.now() + LEASE)
        finally:
            connection.close()  # this thread's own connection

    thread = threading.Thread(target=renew, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
