"""What every client asks for first, without credentials: where to sign in and which account this is. Nowhere, and none.

An `oidc_endpoint` would make the SDK look for more, and an empty object is what it takes for a workspace with tokens only
[recorded: databricks-sdk 0.156].
"""

from typing import Any

DISCOVERY_PATH = "/.well-known/databricks-config"
DISCOVERY: dict[str, Any] = {}
