"""Commands that serve on a port of this machine, for the tests that ask them."""

import os
import signal
import socket
import subprocess
import time
import urllib.request
from contextlib import suppress


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class Server:
    """A command in a process group of its own, waited for until it answers.

    Args:
        command: that serves on `port`.
        port: of this machine.
        folder: gets its log.
        cwd: its working directory.
        env: of the environment, what differs.
        ready: path that it answers once it serves.
    """

    def __init__(self, command, port, folder, *, cwd, env=None, ready="health"):
        self.uri = f"http://127.0.0.1:{port}"
        self._ready = ready
        self.log = folder / "server.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                command,
                cwd=cwd,
                env={**os.environ, **(env or {})},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def __enter__(self):
        deadline = time.monotonic() + 240
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                self.ask(self._ready)
            except OSError:
                time.sleep(0.5)
            else:
                return self
        self.__exit__()
        raise AssertionError(self.log.read_text()[-3000:])

    def __exit__(self, *_):
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(timeout=60)

    def ask(self, path, body=None, kind="application/json"):
        request = urllib.request.Request(
            f"{self.uri}/{path}", body, {"Content-Type": kind}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read()
