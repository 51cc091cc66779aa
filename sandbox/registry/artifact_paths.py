"""Where a workspace's artifacts may lie: one rule for every path that comes from outside."""

from urllib.parse import unquote

from sandbox.errors import InvalidParameterValue

SCHEME = "mlflow-artifacts:"
PATH_LIMIT = 1024


def workspace_folder(mlflow_workspace: str) -> str:
    """The folder below the artifact root in which everything of the workspace lies."""
    return f"workspaces/{mlflow_workspace}"


def scoped_path(mlflow_workspace: str, path: str) -> str:
    """The path below the artifact root for what a client of this workspace asked for.

    A path below the workspace's own folder stays; any other path, also one that names another
    workspace's folder, is looked up *inside* the own folder, where it is missing like any missing path.

    Args:
        mlflow_workspace: MLflow's name of the caller's workspace.
        path: the path once decoded, relative; may be empty (the workspace's folder).

    Raises:
        InvalidParameterValue: the path climbs, is absolute, encoded twice or holds odd characters.
    """
    own = workspace_folder(mlflow_workspace)
    checked = checked_path(path)
    if checked == own or checked.startswith(own + "/"):
        return checked
    return f"{own}/{checked}" if checked else own


def checked_path(path: str) -> str:
    """The same path without a trailing slash, when every part of it is a plain name."""
    trimmed = path.removesuffix("/")
    if not trimmed:
        return ""
    problem = _problem(trimmed)
    if problem:
        raise InvalidParameterValue(f"Artifact path {path[:200]!r} {problem}. Send a relative path such as 'model/MLmodel'.")
    return trimmed


def _problem(path: str) -> str:
    """What is wrong with a path, as the end of a sentence; empty when nothing is."""
    if len(path) > PATH_LIMIT:
        return f"is longer than {PATH_LIMIT} characters"
    if path.startswith("/"):
        return "is absolute"
    if "\\" in path or any(ord(character) < 32 or ord(character) == 127 for character in path):
        return "holds a backslash or a control character"
    if unquote(path) != path:
        return "is percent-encoded twice"
    if any(part in {"", ".", ".."} for part in path.split("/")):
        return "holds an empty, '.' or '..' part"
    return ""


def path_of_uri(mlflow_workspace: str, uri: str) -> str:
    """The path below the artifact root that an artifact URI of this workspace points at.

    Raises:
        InvalidParameterValue: the URI has another scheme, a host, or lies outside the workspace's folder.
    """
    scheme, _, rest = uri.partition("/")
    path = rest.lstrip("/") if not rest.startswith("/") else ""
    own = workspace_folder(mlflow_workspace) + "/"
    if scheme != SCHEME or not path.startswith(own):
        raise InvalidParameterValue(f"{uri[:200]!r} is not an artifact address of this workspace ({SCHEME}/{own}…).")
    return checked_path(path)
