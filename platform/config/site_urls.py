"""Sign-in, sign-out and the password: what belongs to the site and to neither app."""

from django.contrib.auth import views as auth_views
from django.urls import path

from config.passwords import ChangePassword

urlpatterns = [
    path("login/", auth_views.LoginView.as_view(redirect_authenticated_user=True), name="login"),
    path("logout/", auth_views.LogoutView.as_view(), name="logout"),
    path("password/", ChangePassword.as_view(), name="password"),
]
