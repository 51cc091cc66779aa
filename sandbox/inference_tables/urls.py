"""Addresses of inference tables: their pages."""

from django.urls import URLPattern, URLResolver, path

from sandbox.inference_tables import views

_PAGE = "sandbox/serving/<str:name>/inference-table/"

urlpatterns: list[URLPattern | URLResolver] = [
    path(_PAGE, views.inference_table, name="inference_table"),
    path(f"{_PAGE}sql/", views.inference_table_sql, name="inference_table_sql"),
    path(f"{_PAGE}csv/", views.inference_table_csv, name="inference_table_csv"),
    path(f"{_PAGE}rows/<str:request_id>/", views.inference_table_row, name="inference_table_row"),
]
