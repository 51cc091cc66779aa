"""The course's notebooks and their set-ups as one archive, for the learner's own machine; the site itself never runs them."""

import io
import zipfile
from functools import cache
from pathlib import Path

from django.conf import settings
from django.http import HttpRequest, HttpResponse

NAME = "notebooks.zip"
_TABLES = ("churn.csv", "fraud.csv")
_EPOCH = (1980, 1, 1, 0, 0, 0)


def notebooks(request: HttpRequest) -> HttpResponse:
    """For everybody, as the client is."""
    return HttpResponse(
        archive(), content_type="application/zip", headers={"Content-Disposition": f'attachment; filename="{NAME}"'}
    )


@cache
def archive() -> bytes:
    """The same bytes each time: `notebooks/…`, with the tables that the set-ups read beside them."""
    fixtures: Path = settings.FIXTURES_DIR
    folder = (fixtures / "notebooks").resolve()
    files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if _is_source(path)}
    files |= {f"Includes/{name}": fixtures / "tables" / name for name in _TABLES}
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, path in files.items():
            opened.writestr(zipfile.ZipInfo(f"notebooks/{name}", _EPOCH), path.read_bytes(), zipfile.ZIP_DEFLATED)
    return content.getvalue()


def _is_source(path: Path) -> bool:
    return path.is_file() and path.suffix in {".ipynb", ".py", ".md"} and ".ipynb_checkpoints" not in path.parts
