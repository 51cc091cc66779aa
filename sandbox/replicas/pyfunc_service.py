"""What a node offers to the replicas of pyfunc models: the zygote of their runners, and a place for unpacked models.

Made by the node before it forks anything, so that every replica inherits it.
"""

import logging
import os
import socket
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from sandbox.jail.environment import ENVIRONMENT
from sandbox.replicas import pyfunc_zygote
from sandbox.replicas.pyfunc_folders import ModelFolders, open_root

logger = logging.getLogger(__name__)
_RESTART_PAUSE_S = 0.5


@dataclass
class PyfuncService:
    """Shared by a node, its zygote and its replicas."""

    folders: ModelFolders
    orders: socket.socket
    """Where replicas ask for runners, and through its address others of this machine (`sandbox.jail.forked`)."""
    _inbox: socket.socket
    """Held by the node, so that orders wait while the zygote is started again."""
    _zygote: subprocess.Popen[bytes] | None = None
    _is_closed: threading.Event = field(default_factory=threading.Event)

    @classmethod
    def open(cls, address: Path | None = None) -> "PyfuncService":
        """`address`: of the socket, for this user alone. Without one, or where none can be made, only replicas reach it."""
        try:
            orders, inbox = _listen(address) if address else socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        except OSError as error:
            logger.warning("builds of pyfunc models take longer: nothing can listen at %s: %s", address, error)
            orders, inbox = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        return cls(open_root(), orders, inbox)

    def keep_zygote(self) -> None:
        """Run the zygote, and start it again whenever it dies; from a thread of the node's own that lives as long."""
        threading.Thread(target=self._keep_zygote, daemon=True, name="pyfunc-zygote").start()

    def _keep_zygote(self) -> None:
        descriptor = self._inbox.fileno()
        while not self._is_closed.is_set():
            self._zygote = subprocess.Popen(
                pyfunc_zygote.command(descriptor),
                env=ENVIRONMENT,
                cwd="/",
                stdin=subprocess.DEVNULL,
                pass_fds=[descriptor],
                process_group=0,
            )
            status = self._zygote.wait()
            if self._is_closed.is_set():
                return
            if status == 0:  # it had nothing to do for long
                continue
            logger.warning("the parent of the pyfunc runners ended with status %s, starting another", status)
            time.sleep(_RESTART_PAUSE_S)

    def close(self) -> None:
        """End the zygote and its runners, remove the unpacked models; called by the node at its end."""
        self._is_closed.set()
        if self._zygote is not None:
            self._zygote.kill()
        self.folders.close()
        self.orders.close()
        self._inbox.close()


def _listen(address: Path) -> tuple[socket.socket, socket.socket]:
    """A socket that sends there, and the one that receives. Raises OSError."""
    address.unlink(missing_ok=True)
    inbox = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    before = os.umask(0o177)
    try:
        inbox.bind(str(address))
    finally:
        os.umask(before)
    orders = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    orders.connect(str(address))
    return orders, inbox


def key_file_path() -> str:
    """The keys that environment variables of served entities are encrypted with; the node's command sets it."""
    return os.environ.get("SANDBOX_KEY_FILE", "")
