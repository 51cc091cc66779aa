"""People, the running site, and which tests run together."""

import gc
import shutil
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from django.core.servers.basehttp import WSGIRequestHandler

from tests.outcomes import Outcomes
from tests.stack import Stack

if TYPE_CHECKING:
    from sandbox.models import User

gc.set_threshold(
    50_000, 20, 100
)  # the modules and tests that are loaded here stay: looking through them all over again finds nothing


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--browser-tests", action="store_true", help="also run the tests that drive a real Chromium")


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Outcomes(config))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what needs the running site, of which each test process has one, and what needs Chromium."""
    with_browser = config.getoption("--browser-tests")
    for item in items:
        if "browser" in item.path.relative_to(config.rootpath).parts:
            item.add_marker("browser")
        if item.get_closest_marker("browser") and not with_browser:
            item.add_marker(pytest.mark.skip(reason="needs Chromium; run with --browser-tests"))
        if "stack" in getattr(item, "fixturenames", ()):
            item.add_marker("stack")


def pytest_collection_finish() -> None:
    gc.freeze()


def pytest_unconfigure() -> None:
    gc.unfreeze()  # what is frozen is not freed at the end, and some libraries count that as a leak, aloud


@pytest.fixture(scope="session", autouse=True)
def quick_passwords() -> None:
    """In the test process people's passwords are hashed in no time; the running site hashes them as it should."""
    from django.conf import settings

    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(scope="session", autouse=True)
def certificates_read_once() -> None:
    """httpx reads the machine's certificates for each client anew, in 20 ms, though nothing here speaks TLS."""
    transports: Any = httpx._transports.default
    transports.create_ssl_context = cache(transports.create_ssl_context)


@pytest.fixture(scope="session", autouse=True)
def patient_requests() -> None:
    """httpx gives an answer 5 s when it is told nothing else, and a busy machine may take longer for a page."""
    patience: Any = httpx._config.DEFAULT_TIMEOUT_CONFIG
    patience.connect = patience.read = patience.write = patience.pool = 60.0


@pytest.fixture(scope="session")
def live_server(live_server: Any) -> Any:
    """Threads that serve kept-alive connections outlive the server: they go on closing the database that they share with it."""
    for connection in live_server.thread.connections_override.values():
        connection.inc_thread_sharing()
    WSGIRequestHandler.disable_nagle_algorithm = True  # an answer's body waited 40 ms for the word that its head had come
    return live_server


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """The running site, started once for each test process; every process of it is ready."""
    site = Stack()
    with site:
        yield site
    left = site.running_processes()
    shutil.rmtree(site.data_dir, ignore_errors=True)
    assert not left, f"Processes were left behind: {left}"


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """A failed test of the running site shows the ends of the site's logs."""
    report = yield
    site = getattr(item, "funcargs", {}).get("stack")
    if report.failed and isinstance(site, Stack):
        report.sections.append(("logs of the running site", site.log_tails()))
    return report


def _person(username: str, role: str) -> "User":
    from django.contrib.auth import get_user_model

    return get_user_model().objects.create_user(username, password="a password for tests", role=role)


@pytest.fixture
def learner(db: None) -> "User":
    return _person("learner", "learner")


@pytest.fixture
def instructor(db: None) -> "User":
    return _person("instructor", "instructor")


@pytest.fixture
def stranger(db: None) -> "User":
    """A learner who owns nothing that the test is about."""
    return _person("stranger", "learner")


@pytest.fixture
def operator(db: None) -> "User":
    return _person("operator", "operator")
