"""Pages of a volume: its files, upload, download, folders, deletion."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils.http import urlencode

from sandbox.catalog import access
from sandbox.console.catalog import file_code, volume_files
from sandbox.console.catalog.object_tags import tags_of
from sandbox.console.catalog.opened import Opened, securable_page
from sandbox.console.inputs import NO_HELP
from sandbox.console.requests import PageRequest
from sandbox.errors import ApiError

PER_PAGE = 100
Json = dict[str, Any]


class FolderInput(forms.Form):
    name = forms.CharField(label="New folder", max_length=255, widget=forms.TextInput(attrs=NO_HELP))


@securable_page("GET", "POST")
def volume_page(request: PageRequest, opened: Opened) -> HttpResponse:
    """The files of one folder; a POST makes a folder or takes small files (large ones are streamed, see `volume_upload_url`)."""
    path = request.GET.get("path", "")
    shown: Json = opened.shown() | {
        "object_tags": tags_of(opened.row),
        "can_write": opened.may("WRITE_VOLUME"),
        "folder_input": FolderInput(),
        "limit_mb": settings.ARTIFACT_BODY_LIMIT_BYTES // 1024**2,
        "form_limit_mb": settings.WEB_BODY_LIMIT_BYTES // 1024**2,
        "path": path,
    }
    status = 200
    try:
        if request.method == "POST":
            problem = _change(request, opened, path, shown)
            if not problem and not shown["folder_input"].errors:
                return redirect(_folder_url(opened, path))
            shown["upload_problem"], status = problem, 422
        place = volume_files.place_of(opened, path)
        found = volume_files.lines(place)
    except ApiError as error:
        return _refused(request, opened, shown, error)
    page = Paginator(found, PER_PAGE).get_page(request.GET.get("page"))
    shown |= {"page": page, "crumbs": volume_files.crumbs(opened, place.parts), "full_path": place.path}
    shown["call"] = file_code.files(settings.SITE_URL, place.path)
    return render(request, "sandbox/catalog/volume.html", shown, status=status)


def _change(request: PageRequest, opened: Opened, path: str, shown: Json) -> str:
    """What is wrong; errors of the folder's name go to its field."""
    if "name" in request.POST:
        typed = shown["folder_input"] = FolderInput(request.POST)
        if not typed.is_valid():
            return ""
        name = typed.cleaned_data["name"].strip()
        try:
            if "/" in name:
                typed.add_error("name", "One folder at a time: a name has no slash.")
                return ""
            volume_files.make(volume_files.place_of(opened, f"{path}/{name}", writing=True))
        except ApiError as error:
            typed.add_error("name", error.message)
            return ""
        messages.success(request, f"Folder {name} is there.")
        return ""
    uploads = request.FILES.getlist("file")
    if not uploads:
        return "Choose a file first."
    try:
        taken = volume_files.take(opened, volume_files.place_of(opened, path, writing=True), uploads)
    except ApiError as error:
        return error.message
    messages.success(request, f"Uploaded: {', '.join(taken)}.")
    return ""


def _refused(request: PageRequest, opened: Opened, shown: Json, error: ApiError) -> HttpResponse:
    if error.status == 404:
        raise Http404(error.message) from error
    return render(request, "sandbox/catalog/volume.html", shown | {"problem": error}, status=403 if error.status == 403 else 400)


@securable_page("GET")
def volume_download(request: PageRequest, opened: Opened) -> HttpResponse:
    """Send the browser to an address that streams the file."""
    try:
        access.require(opened.caller, opened.row, "READ_VOLUME")
        return redirect(volume_files.address(opened, request.GET.get("path", ""), "GET"))
    except ApiError as error:
        raise Http404(error.message) from error


@securable_page("POST")
def volume_upload_url(request: PageRequest, opened: Opened) -> HttpResponse:
    """For the page's script: an address to which it may PUT one file, as the Files API takes it."""
    try:
        access.require(opened.caller, opened.row, "WRITE_VOLUME")
        path = f"{request.POST.get('path', '')}/{request.POST.get('name', '')}"
        return JsonResponse({"url": volume_files.address(opened, path, "PUT")})
    except ApiError as error:
        return JsonResponse(error.body(), status=error.status)


@securable_page("GET", "POST")
def volume_delete_file(request: PageRequest, opened: Opened) -> HttpResponse:
    """Ask, then delete one file or empty folder."""
    path, problem = request.GET.get("path", ""), ""
    try:
        place = volume_files.place_of(opened, path, writing=True)
        above = volume_files.place_of(opened, "/".join(place.parts[:-1]), writing=True)
        line = next((each for each in volume_files.lines(above) if each.path == "/".join(place.parts)), None)
    except ApiError as error:
        return _refused(request, opened, opened.shown(), error)
    if line is None:
        raise Http404("There is no such file.")
    if request.method == "POST":
        try:
            volume_files.delete(place, is_folder=line.is_folder)
        except ApiError as error:
            problem = error.message
        else:
            messages.success(request, f"{line.name} is deleted.")
            return redirect(_folder_url(opened, "/".join(place.parts[:-1])))
    shown = opened.shown() | {
        "line": line,
        "problem": problem,
        "back_url": _folder_url(opened, "/".join(place.parts[:-1])),
        "call": file_code.delete_file(settings.SITE_URL, place.path, is_folder=line.is_folder),
    }
    return render(request, "sandbox/catalog/delete_file.html", shown, status=422 if problem else 200)


def _folder_url(opened: Opened, path: str) -> str:
    return opened.url + (f"?{urlencode({'path': path.strip('/')})}" if path.strip("/") else "")
