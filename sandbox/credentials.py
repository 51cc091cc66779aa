"""The access token of an Authorization header: the bearer token, or the password of the user `token`."""

import base64
import binascii

BASIC_USER = b"token"
"""Databricks takes a token as the password of this user, for curl's `-u token:dapi…` and .netrc [docs: token authentication]."""
MAX_BYTES = 4096


def access_token(header: bytes) -> bytes:
    """The token in the value of the header; empty when there is none or it is a credential of another kind."""
    scheme, _, credential = header.partition(b" ")
    kind = scheme.lower()
    if kind == b"bearer":
        return credential.strip()
    return _password(credential.strip()) if kind == b"basic" and len(credential) <= MAX_BYTES else b""


def _password(credential: bytes) -> bytes:
    try:
        user, _, password = base64.b64decode(credential, validate=True).partition(b":")
    except binascii.Error:
        return b""
    return password.strip() if user == BASIC_USER else b""
