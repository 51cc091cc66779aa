"""Addresses of the SQL Statement Execution API."""

from django.urls import URLPattern, URLResolver, path

from sandbox.sql import views

urlpatterns: list[URLPattern | URLResolver] = [
    path("api/2.0/sql/statements", views.execute_statement),
    path("api/2.0/sql/statements/", views.execute_statement),
    path("api/2.0/sql/statements/<str:statement_id>", views.get_statement),
    path("api/2.0/sql/statements/<str:statement_id>/result/chunks/<int:chunk_index>", views.get_statement_chunk),
]
