"""Tracking servers on this machine: real ones, and one that fails."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.request import urlopen

from interpreters import Interpreters

_TRIES = 600  # ten per second


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def wait_for_answer(process: subprocess.Popen, address: str, log: Path | None = None) -> None:
    """Wait until a starting server answers. If it does not, raise AssertionError with its log."""
    for _ in range(_TRIES):
        assert process.poll() is None, log and log.read_text()
        with suppress(OSError), urlopen(address, timeout=1):  # URLError is an OSError
            return
        time.sleep(0.1)
    raise AssertionError(log and log.read_text())


class MlflowServer:
    """A real `mlflow server` with its own folder for artifacts, which it proxies."""

    def __init__(self, folder: Path, backend: str, interpreters: Interpreters):
        self._folder, self._backend, self._port, self._interpreters = folder, backend, free_port(), interpreters
        self.address = f"http://127.0.0.1:{self._port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        self._folder.mkdir(parents=True, exist_ok=True)
        options = ["--backend-store-uri", self._backend, "--artifacts-destination", str(self._folder / "artifacts")]
        place = ["--host", "127.0.0.1", "--port", str(self._port), "--workers", "1"]
        variables = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._interpreters.python, "-m", "mlflow", "server", *options, *place],
                cwd=self._folder,
                env=self._interpreters.environment | variables,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_for_answer(self._process, f"{self.address}/health", self._folder / "log")

    def kill(self) -> None:
        """Kill the server, as in a crash."""
        if self._process is not None:
            if self._process.poll() is None:
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None
            self._wait_for_the_port()

    def _wait_for_the_port(self) -> None:
        """Wait until nothing listens on the port: the process that the killed one stood for ends a moment later."""
        for _ in range(_TRIES):
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", self._port)) != 0:
                    return
            time.sleep(0.1)
        raise AssertionError("the killed server still listens")


class PostgresServer:
    """A real PostgreSQL in a folder of its own, on a port of its own."""

    def __init__(self):
        # Not below pytest's folder, which only its own user can read.
        self._temporary = tempfile.TemporaryDirectory(prefix="mnist-vae-postgres-")
        folder = Path(self._temporary.name)
        self._folder, self._port = folder, free_port()
        self.address = f"postgresql://tester@127.0.0.1:{self._port}/postgres"
        if os.getuid() == 0:  # PostgreSQL refuses to run as root
            shutil.chown(folder, "postgres", "postgres")
        self._call("initdb", "--pgdata", str(folder / "data"), "--username", "tester", "--auth", "trust", "--no-sync")
        options = f"-h 127.0.0.1 -p {self._port} -k {folder} -F"
        self._call(
            "pg_ctl", "--pgdata", str(folder / "data"), "--log", str(folder / "log"), "-w", "-o", options, "start"
        )

    def stop(self) -> None:
        self._call("pg_ctl", "--pgdata", str(self._folder / "data"), "--mode", "immediate", "stop")
        self._temporary.cleanup()

    def _call(self, program: str, *arguments: str) -> None:
        user, groups = ("postgres", []) if os.getuid() == 0 else (None, None)
        command = [str(postgres_program(program)), *arguments]
        with tempfile.TemporaryFile("w+") as log:  # no pipe, because the server keeps its outputs open
            done = subprocess.run(
                command,
                cwd=self._folder,
                user=user,
                group=user,
                extra_groups=groups,
                stdout=log,
                stderr=log,
                check=False,
            )
            log.seek(0)
            assert done.returncode == 0, log.read()


def postgres_program(name: str) -> Path | None:
    """The path of a PostgreSQL program, or None if it is not installed. Debian does not put it on the PATH."""
    found = shutil.which(name)
    places = [Path(found)] if found else sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return places[-1] if places else None


class BadServer(ThreadingHTTPServer):
    """A tracking server that hangs or answers with a status such as 500, 401 or 507. It counts its requests."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, manner: str):
        super().__init__(("127.0.0.1", 0), _Bad)
        self.manner, self.requests = manner, 0
        self.address = f"http://user:hunter7@127.0.0.1:{self.server_port}"
        Thread(target=self.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.shutdown()
        self.server_close()


class _Bad(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, BadServer)
        server.requests += 1
        if server.manner == "hangs":
            time.sleep(30)
            return
        content = b'{"error_code": "INTERNAL_ERROR", "message": "no"}'
        self.send_response(int(server.manner))
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_GET  # noqa: N815 (the name is http.server's)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass
