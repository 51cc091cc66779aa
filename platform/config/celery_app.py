"""The Celery app of the control plane (queue `control`). Replicas use `sandbox.replicas.worker_app`."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
app = Celery("proving_ground")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["sandbox.serving", "sandbox.inference_tables", "sandbox.features", "sandbox.workspaces", "quizzes"])
