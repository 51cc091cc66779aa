"""What supervisord is told: one program for each process, in the format of its configuration file."""

import shlex
import sys
from pathlib import Path

from config.processes import Process

START_S = 3
"""A process that dies sooner than this after its start is restarted with growing pauses."""
LISTEN_BACKLOG = 2048


def render(processes: list[Process], *, root: Path, run_dir: Path, log_dir: Path, host: str, port: int) -> str:
    """The whole file. `%` is doubled because supervisord expands `%(…)s`."""
    sections = [_supervisord(run_dir, log_dir), _control_socket(run_dir)]
    for position, process in enumerate(processes):
        section = _program(process, position, root, log_dir)
        sections.append(section + _listening(host, port) if process.name == "web" else section)
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


def _program(process: Process, priority: int, root: Path, log_dir: Path) -> str:
    """`fcgi-program` is supervisord's word for a program that is given a listening socket as descriptor 0."""
    arguments = [sys.executable, str(root / "manage.py"), process.command]
    kind = "program"
    if process.name == "web":
        kind = "fcgi-program"
        arguments += ["--descriptor", "0"]
    return f"""[{kind}:{process.name}]
command={shlex.join(arguments).replace("%", "%%")}
directory={_escaped(root)}
priority={priority}
autorestart=true
startsecs={START_S}
startretries=1000000000
stopwaitsecs={process.stop_timeout_s}
stopasgroup=true
killasgroup=true
redirect_stderr=true
stdout_logfile={_escaped(log_dir / f"{process.name}.log", expansions=2)}
stdout_logfile_maxbytes=5MB
stdout_logfile_backups=3
"""


def _listening(host: str, port: int) -> str:
    """The supervisor owns the listening socket: while web restarts, callers wait in its queue and are not refused."""
    return f"socket=tcp://{host}:{port}\nsocket_backlog={LISTEN_BACKLOG}\n"


def _escaped(path: Path, expansions: int = 1) -> str:
    """supervisord expands the log file of a program twice."""
    return str(path).replace("%", "%" * 2**expansions)
