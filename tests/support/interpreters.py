"""Programs named `python` and `dvc` that a server of preloaded interpreters runs."""

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

from filelock import FileLock

from places import REPOSITORY, SUPPORT

REAL = Path(sys.executable).parent
_SECONDS = 120


class Interpreters:
    """The server of preloaded.py for all processes of a test run, and a folder of programs to put first on a PATH.

    `place` is a folder that all these processes know. The first process starts the server. It ends with the tests.
    """

    def __init__(self, place: Path):
        self.address, self.folder = os.fspath(place / "interpreters.socket"), place / "interpreters"
        with FileLock(place / "interpreters.lock"):
            if not self.folder.exists():
                self._start(place)
                self._write_shims()

    @property
    def python(self) -> str:
        """The program that replaces `python`."""
        return os.fspath(self.folder / "python")

    @property
    def search_path(self) -> str:
        """A PATH with these programs, then the real ones, then the former PATH."""
        return os.pathsep.join([os.fspath(self.folder), os.fspath(REAL), os.environ["PATH"]])

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables of a caller without settings of their own."""
        return {"PATH": self.search_path, "HOME": os.fspath(self.folder.parent)}

    def start(self, code: str, folder: Path, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        """Start a process in a folder that runs this code with the package, the tools and the tests' helpers."""
        script = folder / f"{hashlib.md5(code.encode()).hexdigest()}.py"
        script.write_text(code)
        places = os.pathsep.join(str(place) for place in (REPOSITORY / "src", REPOSITORY / "tools", SUPPORT))
        environment = self.environment | {"PYTHONPATH": places} | variables
        return subprocess.Popen(
            [self.python, script, *arguments],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def _start(self, place: Path) -> None:
        owner = os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid()
        log = place / "interpreters.log"
        server = os.posix_spawn(  # Popen would warn because the process outlives it
            sys.executable,
            [sys.executable, os.fspath(SUPPORT / "preloaded.py"), self.address, str(owner)],
            # None of the caller's settings are passed on, because working copies get none either.
            self.environment | {"TORCH_CPP_LOG_LEVEL": "FATAL"},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, os.fspath(log), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
        )
        end = time.monotonic() + _SECONDS
        while not Path(self.address).exists():
            assert os.waitpid(server, os.WNOHANG) == (0, 0), log.read_text()
            assert time.monotonic() < end, "the server of preloaded interpreters does not start"
            time.sleep(0.05)

    def _write_shims(self) -> None:
        self.folder.mkdir()
        for name in ("python", "dvc"):
            lines = (
                f"#!{sys.executable} -IS",
                f"import sys; sys.path.insert(0, {os.fspath(SUPPORT)!r})",
                f"from shim import main; main({os.fspath(REAL / name)!r}, {self.python!r}, {self.address!r})",
            )
            (self.folder / name).write_text("\n".join(lines))
            (self.folder / name).chmod(0o755)
        (self.folder / "activate").write_text(f'PATH="{self.folder}:$PATH"\nexport PATH\n')
