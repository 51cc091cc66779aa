"""Addresses of the workspaces service: discovery, Token, Secrets and SCIM APIs, and their pages."""

from django.urls import URLPattern, URLResolver, path

from sandbox.workspaces import pages, scim, views

discovery_urls: list[URLPattern | URLResolver] = [
    path(".well-known/databricks-config", views.databricks_config),
]

# /api/2.0/
rest_urls: list[URLPattern | URLResolver] = [
    path("api/2.0/preview/scim/v2/Me", views.me),
    path("api/2.0/preview/scim/v2/Users", scim.users),
    path("api/2.0/preview/scim/v2/Users/<str:user_id>", scim.user),
    path("api/2.0/preview/scim/v2/Groups", scim.groups),
    path("api/2.0/preview/scim/v2/Groups/<str:group_id>", scim.group),
    path("api/2.0/token/create", views.create_token),
    path("api/2.0/token/list", views.list_tokens),
    path("api/2.0/token/delete", views.delete_token),
    path("api/2.0/secrets/scopes/create", views.create_scope),
    path("api/2.0/secrets/scopes/list", views.list_scopes),
    path("api/2.0/secrets/scopes/delete", views.delete_scope),
    path("api/2.0/secrets/put", views.put_secret),
    path("api/2.0/secrets/list", views.list_secrets),
    path("api/2.0/secrets/get", views.get_secret),
    path("api/2.0/secrets/delete", views.delete_secret),
]

# /sandbox/
page_urls: list[URLPattern | URLResolver] = [
    path("sandbox/tokens/", pages.tokens, name="tokens"),
    path("sandbox/tokens/<str:token_id>/revoke/", pages.revoke_token, name="revoke_token"),
    path("sandbox/secrets/", pages.secrets, name="secrets"),
    path("sandbox/workspaces/<str:workspace_id>/open/", pages.open_workspace, name="open_workspace"),
    path("sandbox/secrets/<str:scope>/delete/", pages.delete_secret, name="delete_secret"),
]

urlpatterns = [*discovery_urls, *rest_urls, *page_urls]
