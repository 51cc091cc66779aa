"""The feature engineering client as a wheel, made from its source in this repository; the site itself never imports it."""

import base64
import hashlib
import io
import tomllib
import zipfile
from functools import cache
from pathlib import Path

from django.http import Http404, HttpRequest, HttpResponse

SOURCE = Path(__file__).resolve().parent / "client"
_TAG = "py3-none-any"
_EPOCH = (1980, 1, 1, 0, 0, 0)


def client_wheel(request: HttpRequest, name: str) -> HttpResponse:
    """The file for pip, for everybody: it holds nothing but open source."""
    if name != file_name():
        raise Http404(f"The client is {file_name()}.")
    return HttpResponse(
        wheel(), content_type="application/octet-stream", headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )


def file_name() -> str:
    """As pip wants it: name, version and what it runs on."""
    project = _project()
    return f"{_module(project)}-{project['version']}-{_TAG}.whl"


@cache
def wheel() -> bytes:
    """The same bytes each time."""
    project = _project()
    folder = f"{_module(project)}-{project['version']}.dist-info"
    source = SOURCE / "src"
    files = {
        file.relative_to(source).as_posix(): file.read_bytes()
        for file in sorted((source / _module(project)).rglob("*"))
        if file.is_file() and (file.suffix == ".py" or file.name == "py.typed")
    }
    files[f"{folder}/METADATA"] = _metadata(project).encode()
    files[f"{folder}/WHEEL"] = f"Wheel-Version: 1.0\nGenerator: proving-ground\nRoot-Is-Purelib: true\nTag: {_TAG}\n".encode()
    lines = [f"{name},sha256={_digest(content)},{len(content)}" for name, content in files.items()]
    files[f"{folder}/RECORD"] = "\n".join([*lines, f"{folder}/RECORD,,", ""]).encode()
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in files.items():
            opened.writestr(zipfile.ZipInfo(name, _EPOCH), content, zipfile.ZIP_DEFLATED)
    return archive.getvalue()


def _project() -> dict[str, str]:
    found: dict[str, str] = tomllib.loads((SOURCE / "pyproject.toml").read_text())["project"]
    return found


def _module(project: dict[str, str]) -> str:
    return project["name"].replace("-", "_")


def _metadata(project: dict[str, str]) -> str:
    lines = [
        "Metadata-Version: 2.1",
        f"Name: {project['name']}",
        f"Version: {project['version']}",
        f"Summary: {project['description']}",
        f"License: {project['license']}",
        f"Requires-Python: {project['requires-python']}",
        *(f"Requires-Dist: {each}" for each in project["dependencies"]),
        "Description-Content-Type: text/markdown",
    ]
    return "\n".join(lines) + "\n\n" + (SOURCE / "README.md").read_text()


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
