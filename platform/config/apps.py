"""Django application configuration: `config` is an app so that it can carry the process commands."""

from django.apps import AppConfig


class ConfigConfig(AppConfig):
    name = "config"
