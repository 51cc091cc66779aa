"""Addresses of the SQL page, /sandbox/sql/…."""

from django.urls import URLPattern, URLResolver, path

from sandbox.console.sql import editor_views, history_views, names_views, statement_views

urlpatterns: list[URLPattern | URLResolver] = [
    path("", editor_views.sql_editor, name="sql_editor"),
    path("run/", statement_views.sql_run, name="sql_run"),
    path("names/", names_views.sql_names, name="sql_names"),
    path("history/", history_views.sql_history, name="sql_history"),
    path("statements/<str:statement_id>/", statement_views.sql_statement, name="sql_statement"),
    path("statements/<str:statement_id>/state/", statement_views.sql_state, name="sql_state"),
    path("statements/<str:statement_id>/cancel/", statement_views.sql_cancel, name="sql_cancel"),
    path("statements/<str:statement_id>/rows.csv", statement_views.sql_csv, name="sql_csv"),
]
