"""The spelling of objects that site and jailed process share."""

import json
from typing import Any


def key(kind: str, name: str, argument: Any = None, via: str = "") -> str:
    """`via`: the view or function through which the object is reached, "" for the statement itself."""
    return json.dumps([kind, name, argument, via])
