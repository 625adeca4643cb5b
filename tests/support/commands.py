"""Commands in a folder, as people type them."""

import signal
import subprocess
from pathlib import Path

import psutil

_SECONDS = 300


class Folder:
    """A folder, and the environment variables of commands that run in it."""

    def __init__(self, folder: Path, environment: dict[str, str]):
        self.folder, self.environment = folder, environment

    def start(self, *command: str, stderr: int = subprocess.STDOUT, **environment: str) -> subprocess.Popen[str]:
        """Start a command in the folder, in a process group of its own, so that it can be interrupted or killed."""
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.environment | environment,
            stdout=subprocess.PIPE,
            stderr=stderr,
            stdin=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
            # A shell's background jobs, such as these tests, ignore SIGINT, and child processes inherit that.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 (it takes no lock)
        )

    def run(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the folder to its end, with standard error in its standard output."""
        process = self.start(*command, stderr=subprocess.STDOUT, **environment)
        printed, _ = process.communicate(timeout=_SECONDS)
        return subprocess.CompletedProcess(command, process.returncode, printed)

    def succeed(self, *command: str, **environment: str) -> str:
        """Run a command that must succeed, and return its output."""
        done = self.run(*command, **environment)
        assert done.returncode == 0, f"{' '.join(command)} exited with {done.returncode}:\n{done.stdout}"
        return done.stdout


def processes_in(folder: Path) -> list[psutil.Process]:
    """The processes that work in a folder or below it."""
    return [one for one in psutil.process_iter(["cwd"]) if (one.info["cwd"] or "").startswith(str(folder))]
