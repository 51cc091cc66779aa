"""Databricks Model Serving in miniature."""
