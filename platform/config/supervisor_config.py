"""What supervisord is told: one program for each process, in the format of its configuration file."""

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

from config import processes as processes_module
from config.processes import Process

START_S = 3
"""A process that dies sooner than this after its start is restarted with growing pauses."""
LISTEN_BACKLOG = 2048


@dataclass(frozen=True)
class Place:
    """Where a site runs."""

    root: Path
    run_dir: Path
    log_dir: Path
    host: str
    port: int


def render(processes: list[Process], place: Place, *, redis: list[str]) -> str:
    """The whole file. `redis` is the command line of the embedded server.

    It is started without Django in front of it: the others cannot do anything before it answers.
    """
    sections = [_supervisord(place.run_dir, place.log_dir), _control_socket(place.run_dir)]
    for position, process in enumerate(processes):
        command = [sys.executable, str(place.root / "manage.py"), process.command]
        if process.name == "redis":
            command = [sys.executable, "-I", "-S", processes_module.__file__, *redis]
        if process.name == "web":
            command += ["--descriptor", "0"]
        section = _program(process, command, position, place)
        sections.append(section + _listening(place.host, place.port) if process.name == "web" else section)
    return "\n".join(sections)


def _supervisord(run_dir: Path, log_dir: Path) -> str:
    return f"""[supervisord]
nodaemon=true
silent=true
loglevel=info
logfile={_escaped(log_dir / "supervisor.log")}
logfile_maxbytes=5MB
logfile_backups=2
pidfile={_escaped(run_dir / "supervisor.pid")}
childlogdir={_escaped(log_dir)}
"""


def _control_socket(run_dir: Path) -> str:
    """supervisorctl works on this socket; it lies in a directory of mode 0700."""
    return f"""[unix_http_server]
file={_escaped(run_dir / "supervisor.sock")}
chmod=0600

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
"""


def _program(process: Process, command: list[str], priority: int, place: Place) -> str:
    """`fcgi-program` is supervisord's word for a program that is given a listening socket as descriptor 0."""
    kind = "fcgi-program" if process.name == "web" else "program"
    return f"""[{kind}:{process.name}]
command={shlex.join(command).replace("%", "%%")}
directory={_escaped(place.root)}
priority={priority}
autorestart=true
startsecs={START_S}
startretries=1000000000
stopwaitsecs={process.stop_timeout_s}
stopasgroup=true
killasgroup=true
redirect_stderr=true
stdout_logfile={_escaped(place.log_dir / f"{process.name}.log", expansions=2)}
stdout_logfile_maxbytes=5MB
stdout_logfile_backups=3
"""


def _listening(host: str, port: int) -> str:
    """The supervisor owns the listening socket: while web restarts, callers wait in its queue and are not refused."""
    return f"socket=tcp://{host}:{port}\nsocket_backlog={LISTEN_BACKLOG}\n"


def _escaped(path: Path, expansions: int = 1) -> str:
    """supervisord expands the log file of a program twice."""
    return str(path).replace("%", "%" * 2**expansions)
