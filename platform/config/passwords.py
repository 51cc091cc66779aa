"""The page on which people change their own password."""

from typing import Any

from axes.handlers.proxy import AxesProxyHandler
from axes.helpers import get_lockout_response
from django.contrib import messages
from django.contrib.auth.signals import user_login_failed
from django.contrib.auth.views import PasswordChangeView
from django.http import HttpRequest, HttpResponse
from django.urls import reverse_lazy


class ChangePassword(PasswordChangeView):
    """Asks for the old password once and for the new one twice; a change ends the person's sessions in all other browsers.

    A wrong old password counts as a failed sign-in, or whoever finds an open browser could try them all.
    """

    template_name = "registration/password.html"
    success_url = reverse_lazy("password")

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not AxesProxyHandler.is_allowed(request, self._credentials):
            refusal: HttpResponse = get_lockout_response(request, self._credentials)
            return refusal
        return super().post(request, *args, **kwargs)

    def form_valid(self, form: Any) -> HttpResponse:
        messages.success(self.request, "Your password is changed. You are signed out everywhere else.")
        return super().form_valid(form)

    def form_invalid(self, form: Any) -> HttpResponse:
        if form.data.get("old_password") and "old_password" in form.errors:
            user_login_failed.send(__name__, credentials=self._credentials, request=self.request)
        return self.render_to_response(self.get_context_data(form=form), status=422)

    @property
    def _credentials(self) -> dict[str, str]:
        return {"username": self.request.user.get_username()}
