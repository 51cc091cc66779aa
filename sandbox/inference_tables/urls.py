"""Addresses of inference tables: their pages, and the SQL Statement Execution API."""

from django.urls import URLPattern, URLResolver, path

from sandbox.inference_tables import statement_views, views

_PAGE = "sandbox/serving/<str:name>/inference-table/"

urlpatterns: list[URLPattern | URLResolver] = [
    path("api/2.0/sql/statements", statement_views.execute_statement),
    path("api/2.0/sql/statements/", statement_views.execute_statement),
    path("api/2.0/sql/statements/<str:statement_id>", statement_views.get_statement),
    path("api/2.0/sql/statements/<str:statement_id>/result/chunks/<int:chunk_index>", statement_views.get_statement_chunk),
    path(_PAGE, views.inference_table, name="inference_table"),
    path(f"{_PAGE}sql/", views.inference_table_sql, name="inference_table_sql"),
    path(f"{_PAGE}csv/", views.inference_table_csv, name="inference_table_csv"),
    path(f"{_PAGE}rows/<str:request_id>/", views.inference_table_row, name="inference_table_row"),
]
