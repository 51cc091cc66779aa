"""Names of the tasks that the control plane sends to itself."""

RECONCILE = "serving.reconcile"
BUILD = "serving.build"
NOTIFY = "serving.notify"
