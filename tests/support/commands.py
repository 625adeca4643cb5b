"""Commands in a folder, as people type them."""

import signal
import subprocess
from pathlib import Path

_SECONDS = 300


class Folder:
    """A folder, and the environment variables that commands there are given."""

    def __init__(self, folder: Path, environment: dict[str, str]):
        self.folder, self.environment = folder, environment

    def start(self, *command: str, stderr: int = subprocess.STDOUT, **environment: str) -> subprocess.Popen[str]:
        """Begin a command there, in a process group of its own, to be interrupted or killed."""
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.environment | environment,
            stdout=subprocess.PIPE,
            stderr=stderr,
            stdin=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
            # A shell's background job, as these tests may be, ignores SIGINT, and hands that on.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 (it takes no lock)
        )

    def run(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command there to its end, its two outputs in one."""
        process = self.start(*command, stderr=subprocess.STDOUT, **environment)
        printed, _ = process.communicate(timeout=_SECONDS)
        return subprocess.CompletedProcess(command, process.returncode, printed)

    def succeed(self, *command: str, **environment: str) -> str:
        """Run a command that must end in success, and return what it printed."""
        done = self.run(*command, **environment)
        assert done.returncode == 0, f"{' '.join(command)} exited with {done.returncode}:\n{done.stdout}"
        return done.stdout
