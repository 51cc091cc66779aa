"""What counts as an access token in an Authorization header."""

import base64

import pytest

from sandbox.credentials import MAX_BYTES, access_token


def basic(text: bytes) -> bytes:
    return b"Basic " + base64.b64encode(text)


@pytest.mark.parametrize(
    ("header", "token"),
    [
        (b"Bearer dapi1", b"dapi1"),
        (b"bearer  dapi1 ", b"dapi1"),
        (basic(b"token:dapi1"), b"dapi1"),
        (basic(b"token:dapi:1"), b"dapi:1"),
        (b"basic " + base64.b64encode(b"token:dapi1"), b"dapi1"),
        (basic(b"ada:dapi1"), b""),
        (basic(b"token"), b""),
        (basic(b":dapi1"), b""),
        (b"Basic not-base64!", b""),
        (b"Basic \xff\xfe", b""),
        (basic(b"token:" + b"x" * MAX_BYTES), b""),
        (b"Digest dapi1", b""),
        (b"dapi1", b""),
        (b"Bearer", b""),
        (b"", b""),
    ],
)
def test_bearer_and_the_password_of_user_token(header: bytes, token: bytes) -> None:
    assert access_token(header) == token
