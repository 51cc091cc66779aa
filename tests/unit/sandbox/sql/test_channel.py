"""Frames between the site and a jailed statement, over descriptors of any number."""

import fcntl
import resource
import socket
import time
from collections.abc import Iterator

import pytest

from sandbox.sql import channel

HIGH = 1500
"""Above what select(2) takes; a web process has a descriptor for each connection."""


@pytest.fixture
def high_pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(limits[0], min(2 * HIGH, limits[1])), limits[1]))
    ours, theirs = socket.socketpair()
    with ours, theirs, socket.socket(fileno=fcntl.fcntl(ours, fcntl.F_DUPFD, HIGH)) as high:
        yield high, theirs
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_frames_pass_where_a_thousand_connections_are_open(high_pair: tuple[socket.socket, socket.socket]) -> None:
    high, theirs = high_pair
    channel.send(high, channel.START, b"SELECT 1", time.monotonic() + 10)
    assert channel.receive(theirs, 100) == (channel.START, b"SELECT 1")
    channel.send(theirs, channel.RESULT, b"1")
    assert channel.receive(high, 100, time.monotonic() + 10) == (channel.RESULT, b"1")


def test_a_deadline_ends_the_wait(high_pair: tuple[socket.socket, socket.socket]) -> None:
    with pytest.raises(channel.TooSlow):
        channel.receive(high_pair[0], 100, time.monotonic() - 1)


def test_whoever_closed_is_gone(high_pair: tuple[socket.socket, socket.socket]) -> None:
    high, theirs = high_pair
    theirs.close()
    with pytest.raises(channel.Gone):
        channel.receive(high, 100, time.monotonic() + 10)
    with pytest.raises(channel.Gone):
        channel.send(high, channel.START, b"SELECT 1", time.monotonic() + 10)
