"""The environment variables of a served entity on their way to its replicas: secrets filled in, the whole encrypted.

What travels and what Redis keeps can be read only with the key file, which nodes share with the control plane.
"""

import json

from sandbox.serving.models import ServedEntity
from sandbox.workspaces.encryption import encrypt
from sandbox.workspaces.secret_store import REFERENCE, resolve

FEATURE_TRACING = "ENABLE_FEATURE_TRACING"
"""With `true` the features of each request go into the inference table too [docs: Log feature lookup DataFrames]."""


def is_feature_tracing_on(entity: ServedEntity) -> bool:
    return str(entity.environment_vars.get(FEATURE_TRACING, "")).strip().lower() == "true"


def sealed(entity: ServedEntity) -> str:
    """Ciphertext of {"variables": {name: value}, "secret": names of those that came from a secret}; empty without variables.

    Raises ApiError when a secret that is referred to is not there (any more).
    """
    written: dict[str, str] = entity.environment_vars
    if not written:
        return ""
    secret = [name for name, value in written.items() if REFERENCE.match(value)]
    workspace = entity.config.endpoint.workspace
    variables = {name: resolve(workspace, value) if name in secret else value for name, value in written.items()}
    return encrypt(json.dumps({"variables": variables, "secret": secret}))
