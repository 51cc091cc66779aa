"""Django application configuration."""

from django.apps import AppConfig


class SandboxConfig(AppConfig):
    name = "sandbox"

    def ready(self) -> None:
        """The workspaces service does not know of endpoints: serving hears from it by a signal."""
        from sandbox.serving.permissions import people_have_changed
        from sandbox.workspaces.members import people_changed

        people_changed.connect(people_have_changed, dispatch_uid="serving.permissions")
