"""Where the files of tables and volumes lie, and the end of those that nothing names any more."""

import shutil
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings

from sandbox.catalog.models import Securable
from sandbox.workspaces.models import Workspace

MANAGED_FOLDER = "__tables"
"""Holds the tables that SQL and REST create, in folders named by id; inference tables lie in `<catalog>/<schema>/<name>`."""
LEFT_OVER_AFTER = timedelta(hours=2)
"""No statement takes so long: a folder that is older and that no object names was left by a process that died."""


def tables_folder(workspace: Workspace) -> Path:
    """The folder that `TableDetail.location` is relative to."""
    return Path(settings.DELTA_DIR) / workspace.id


def remove_left_over(now: datetime) -> int:
    """Remove what creating or dropping left behind when its process was killed; returns how many folders that were."""
    old = [
        folder
        for root, pattern in ((settings.DELTA_DIR, f"*/{MANAGED_FOLDER}/*"), (settings.VOLUMES_DIR, "*/*"))
        for folder in Path(root).glob(pattern)
        if now.timestamp() - folder.stat().st_mtime > LEFT_OVER_AFTER.total_seconds()
    ]
    removed = 0
    for start in range(0, len(old), 500):
        chunk = old[start : start + 500]
        named = set(Securable.objects.filter(id__in=[folder.name for folder in chunk]).values_list("id", flat=True))
        for folder in chunk:
            if folder.name not in named:
                shutil.rmtree(folder, ignore_errors=True)
                removed += 1
    return removed
