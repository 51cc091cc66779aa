"""Paths of the Files API: which area they name, and that every part is a plain name."""

from enum import Enum

from sandbox.errors import InvalidParameterValue, NotFound
from sandbox.registry.artifact_paths import checked_path


class Area(Enum):
    """What a path can lie in, with the parts that come before the path inside it."""

    VOLUMES = ("Volumes",)
    """/Volumes/<catalog>/<schema>/<volume>/…"""
    MODELS = ("Models",)
    """/Models/<catalog>/<schema>/<model>/<version>/…"""
    ARTIFACTS = ("WorkspaceInternal", "Mlflow", "Artifacts")
    """/WorkspaceInternal/Mlflow/Artifacts/<experiment>/{Runs,LoggedModels,Traces}/<id>/artifacts/…"""


NAMING_PARTS = {Area.VOLUMES: 3, Area.MODELS: 4, Area.ARTIFACTS: 4}
"""So many parts after the area's own name an object; what follows is a path inside it."""
_EXAMPLES = "'/Volumes/<catalog>/<schema>/<volume>/<path>' or '/Models/<catalog>/<schema>/<model>/<version>/<path>'"


def split_path(path: str) -> tuple[Area, tuple[str, ...], tuple[str, ...]]:
    """Area, the parts that name the object, and the parts inside it.

    Args:
        path: absolute, decoded once; a slash at the end is ignored.

    Raises:
        InvalidParameterValue: it is not absolute, climbs, is encoded twice, is over 1,024 characters or names no object.
        NotFound: there is no such area.
    """
    if not path.startswith("/"):
        raise InvalidParameterValue(f"{path[:200]!r} is not an absolute path. Send one such as {_EXAMPLES}.")
    parts = tuple(checked_path(path[1:]).split("/"))
    area = next((area for area in Area if parts[: len(area.value)] == area.value), None)
    if area is None:
        raise NotFound(f"{path[:200]!r} does not exist: paths are {_EXAMPLES}.")
    rest = parts[len(area.value) :]
    count = NAMING_PARTS[area]
    if len(rest) < count:
        raise InvalidParameterValue(f"{path[:200]!r} names no place for files. Send a path such as {_EXAMPLES}.")
    return area, rest[:count], rest[count:]
