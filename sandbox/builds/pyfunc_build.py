"""Build a model that is served as it is: pack and store its folder, try it in the jail, keep the log."""

import contextlib
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sandbox.builds import store
from sandbox.builds.pyfunc_package import pack
from sandbox.jail.errors import JobFailed, ParentGone
from sandbox.jail.launch import JailedJob, tier
from sandbox.jail.limits import GIB, MIB, Limits
from sandbox.jail.started import Tier
from sandbox.replicas.pyfunc_folders import open_root

TRIAL_LIMITS = Limits(cpu_s=60, wall_s=90, address_space_bytes=4 * GIB, output_bytes=4 * MIB)
WARM_PARENTS = "pyfunc-*.sock"
"""Where nodes of this machine listen for jobs to fork (`sandbox.replicas.pyfunc_zygote`), in the site's run folder."""
_TRIAL = "sandbox.builds.pyfunc_trial"
_MOST_LINES, _LONGEST_LINE = 200, 1_000


def build(model_dir: Path, into: Path, warm: Sequence[Path] = ()) -> tuple[str, Path, dict[str, Any], list[str]]:
    """SHA-256 and path of the stored package, the model's description, and lines for the build log.

    `warm`: where processes listen that have MLflow imported; the trial is forked from the first that is there, else it imports
    MLflow itself (2.3 s). Raises JailRefused, JobFailed, PackageError.
    """
    started_s = time.monotonic()
    folders = open_root()
    try:
        sha256, package = store.put_pieces(folders.root / "packages", pack(model_dir))
        folder = folders.put(package, sha256)
        result, printed = _try(folder, folders.scratch, warm)
        description, lines = _facts(result)
        path = store.put_pieces(into, _pieces(package))[1]
    finally:
        folders.close()
    lines += [f"Printed while it was tried: {line}" for line in printed.splitlines()[-20:]]
    lines += [
        f"Stored the model's folder ({path.stat().st_size} bytes) as {sha256}.",
        f"Built in {time.monotonic() - started_s:.1f} s, jail {_tier()}.",
    ]
    return sha256, path, description, lines


def _try(folder: Path, scratch: Path, warm: Sequence[Path]) -> tuple[bytes, str]:
    """The trial's result and what it printed. Raises JailRefused, JobFailed."""
    for parent in warm:
        with contextlib.suppress(ParentGone):
            return _try_once(folder, scratch, parent)
    return _try_once(folder, scratch, None)


def _try_once(folder: Path, scratch: Path, parent: Path | None) -> tuple[bytes, str]:
    # as the runner of a replica: with a scratch folder, which bubblewrap's jail has not
    with JailedJob(_TRIAL, limits=TRIAL_LIMITS, readable=[folder], in_tier=_tier(), scratch=scratch, parent=parent) as trial:
        return trial.finish(json.dumps({"folder": str(folder)}).encode()), trial.printed


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            yield piece


def _tier() -> Tier:
    """The jail of replicas' runners, on a machine that has any."""
    return "none" if tier() == "none" else "T2"


def _facts(result: bytes) -> tuple[dict[str, Any], list[str]]:
    """The trial's result is as untrusted as the model, so its shape is checked."""
    try:
        facts = json.loads(result)
        return dict(facts["description"]), [str(line)[:_LONGEST_LINE] for line in facts["log"]][:_MOST_LINES]
    except (ValueError, KeyError, TypeError):
        raise JobFailed("The build returned something that is no model.") from None
