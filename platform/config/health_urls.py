"""GET /healthz: 200 when every process is ready, else 503 naming those that are not. Needs no sign-in and tells no secret."""

from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from config.health import Readiness, health


@never_cache
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """`{"status": "ready" | "not ready", "processes": {name: {"ready", "detail"?}}, "message"?}`."""
    found = {"web": Readiness(True), **health()}
    missing = [name for name, readiness in found.items() if not readiness.ready]
    body: dict[str, object] = {
        "status": "not ready" if missing else "ready",
        "processes": {name: _described(readiness) for name, readiness in found.items()},
    }
    if missing:
        body["message"] = f"Not ready: {', '.join(missing)}."
    answer = JsonResponse(body, status=503 if missing else 200)
    answer._has_been_logged = True  # type: ignore[attr-defined]  # Django would log an error each time somebody asks
    return answer


def _described(readiness: Readiness) -> dict[str, object]:
    return {"ready": True} if readiness.ready else {"ready": False, "detail": readiness.detail}


urlpatterns = [path("healthz", healthz, name="healthz")]
