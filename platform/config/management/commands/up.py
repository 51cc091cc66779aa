"""Start the whole site and keep it running: `make run` ends here. One Ctrl-C stops everything."""

import os
import resource
import signal
import time
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.db import connection

from config import first_sign_ins, preflight
from config.environment import env_str
from config.management.commands.redis_server import redis_command
from config.management.commands.set_up import set_up
from config.orphans import adopt_orphans, end_orphans
from config.processes import STARTED_VARIABLE, SUPERVISOR_VARIABLE, site_processes
from config.progress import Watch, say
from config.supervisor_config import Place, render
from config.supervisor_run import supervise

OPEN_FILES = 65_536


class Command(BaseCommand):
    help = __doc__
    requires_system_checks = []
    _is_interrupted = False

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--after-steps", type=int, default=0, help="how many steps the caller has already announced")

    def handle(self, *args: Any, **options: Any) -> None:
        self._steps_before: int = options["after_steps"]
        os.environ[STARTED_VARIABLE] = f"{time.time():.3f}"
        signal.signal(signal.SIGINT, self._interrupt)
        try:
            self._step(1, "Checks")
            self._check()
            self._step(2, "Database and content")
            new_people = set_up()
            self._step(3, "Processes")
            self._run(new_people)
        except KeyboardInterrupt:
            say("\nStopped before the site was up.")

    def _interrupt(self, *_: Any) -> None:
        """Python forgets a KeyboardInterrupt that is raised in a destructor, so it is noted as well."""
        self._is_interrupted = True
        raise KeyboardInterrupt

    def _note(self, *_: Any) -> None:
        """While supervisord begins, before its own handler: its logger prints an exception that is raised within and goes on."""
        self._is_interrupted = True

    def _running(self, watch: Watch) -> None:
        """supervisord has its handler now; what came before goes to it."""
        watch.start()
        if self._is_interrupted:
            os.kill(os.getpid(), signal.SIGINT)

    def _step(self, number: int, title: str) -> None:
        if self._is_interrupted:
            raise KeyboardInterrupt
        say(f"{self._steps_before + number}/{self._steps_before + 3} {title}")

    def _check(self) -> None:
        preflight.check_data_dir(settings.DATA_DIR)
        preflight.lock_data_dir(settings.DATA_DIR)
        preflight.check_port(settings.HOST, settings.PORT)
        preflight.prepare_run_dir(settings.RUN_DIR)
        for directory in (settings.LOG_DIR, settings.STATIC_ROOT):
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not settings.EMBEDDED_REDIS:
            preflight.check_redis(settings.REDIS_URL)
        preflight.check_database(env_str("DATABASE_URL", ""))

    def _run(self, new_people: list[first_sign_ins.SignIn]) -> None:
        connection.close()
        _raise_open_file_limit()
        adopt_orphans()
        os.environ[SUPERVISOR_VARIABLE] = str(os.getpid())
        config_file = _write_config()
        watch = Watch(_reachable(settings.HOST), settings.PORT, lambda: _announce(new_people))
        signal.signal(signal.SIGINT, self._note)
        try:
            supervise(config_file, say, on_running=lambda: self._running(watch), on_stopping=lambda: _stopping(watch))
        finally:
            end_orphans()
        say("Stopped.")


def _write_config() -> Path:
    path: Path = settings.RUN_DIR / "supervisord.conf"
    place = Place(settings.ROOT, settings.RUN_DIR, settings.LOG_DIR, settings.HOST, settings.PORT)
    redis = redis_command() if settings.EMBEDDED_REDIS else []
    path.write_text(render(site_processes(embedded_redis=settings.EMBEDDED_REDIS), place, redis=redis))
    return path


def _raise_open_file_limit() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))


def _reachable(host: str) -> str:
    return "127.0.0.1" if host == "0.0.0.0" else host  # noqa: S104 - compared, not bound


def _announce(new_people: list[first_sign_ins.SignIn]) -> None:
    path = settings.DATA_DIR / first_sign_ins.FILE_NAME
    say(f"\nProving Ground is ready: {settings.SITE_URL}")
    if new_people:
        say(f"First sign-ins (kept in {path}):\n{first_sign_ins.as_table(new_people)}")
    elif path.exists():
        say(f"First sign-ins: {path}")
    say("Ctrl-C stops everything.\n")


def _stopping(watch: Watch) -> None:
    watch.stop()
    say("\nStopping; requests and tasks under way may finish.")
