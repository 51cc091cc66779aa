"""Addresses of the SQL APIs."""

from django.urls import URLPattern, URLResolver, path

from sandbox.sql import linked, views

_STATEMENT = "api/2.0/sql/statements/<str:statement_id>"
_WAREHOUSE = "api/2.0/sql/warehouses/<str:warehouse_id>"

urlpatterns: list[URLPattern | URLResolver] = [
    path("api/2.0/sql/statements", views.execute_statement),
    path("api/2.0/sql/statements/", views.execute_statement),
    path(_STATEMENT, views.get_statement),
    path(f"{_STATEMENT}/cancel", views.cancel_statement),
    path(f"{_STATEMENT}/result/chunks/<int:chunk_index>", views.get_statement_chunk),
    path(f"{linked.PREFIX[1:]}<str:token>", views.get_linked_result),
    path("api/2.0/sql/history/queries", views.list_queries),
    path("api/2.0/sql/warehouses", views.list_warehouses),
    path("api/2.0/sql/config/warehouses", views.get_warehouse_config),
    path(_WAREHOUSE, views.get_warehouse),
    path(f"{_WAREHOUSE}/start", views.start_warehouse),
    path(f"{_WAREHOUSE}/stop", views.stop_warehouse),
]
