"""A clone of this repository that runs on the tiny data set, and the commands that people type in it."""

import copy
import os
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from commands import Folder
from interpreters import REAL, Interpreters
from places import REPOSITORY
from tiny_mnist import put_in_place_of_mnist

SMALL = {
    "validation_size": 32,
    "image_size": 16,
    "latent_dim": 8,
    "conv_channels": [4, 8, 16],
    "epochs": 2,
    "batch_size": 16,
    "interpolation_steps": 5,
    # Two trainings at once with a thread for each core hold each other up, many times over.
    "threads": 1,
}


class WorkingCopy(Folder):
    """A Git repository in `folder` with this one's files, committed, and parameters that run in seconds.

    It is made unless it is there. Its `python` and `dvc` are the preloaded ones.
    """

    def __init__(self, folder: Path, mirror: str, interpreters: Interpreters):
        home = folder.parent / "home"
        home.mkdir(parents=True, exist_ok=True)
        environment = {
            "PATH": interpreters.search_path,
            "HOME": str(home),  # no Git identity, no caches: as on a new machine
            "MNIST_MIRROR": mirror,
            # Nothing but this machine can be reached.
            "http_proxy": "http://127.0.0.1:9",
            "https_proxy": "http://127.0.0.1:9",
            "no_proxy": "127.0.0.1",
        }
        super().__init__(folder, environment)
        self._programs = interpreters.folder
        if not folder.exists():
            self._make()

    def use_real_interpreters(self) -> None:
        """Let its commands start Python and DVC as people's do."""
        self.environment["PATH"] = f"{REAL}{os.pathsep}{os.environ['PATH']}"
        self._programs = REAL

    def copied_to(self, folder: Path) -> "WorkingCopy":
        """The same repository in another place, to be changed. Its runs stay in its own database."""
        other = copy.copy(self)
        other.folder, other.environment = folder, dict(self.environment)
        shutil.copytree(self.folder, folder, symlinks=True)
        if (folder / ".venv").exists():  # which counts as set up only in its place
            shutil.rmtree(folder / ".venv")
            other.give_environment()
        return other

    def give_environment(self) -> None:
        """Let `make` find the environment of these tests set up: what set-up does has tests of its own."""
        (self.folder / ".venv").mkdir()
        (self.folder / ".venv" / "bin").symlink_to(self._programs)
        for name in ("lib", "pyvenv.cfg"):  # by which a real interpreter knows its packages
            (self.folder / ".venv" / name).symlink_to(Path(sys.prefix) / name)
        stamp = f"{self.folder}\n{(self.folder / 'requirements.txt').read_text()}"
        (self.folder / ".venv" / "installed").write_text(stamp)

    def introduce(self) -> None:
        """Tell Git who works here, which DVC asks for before it queues or applies in a workspace with changes."""
        for key, value in (("user.name", "Tester"), ("user.email", "tester@example.org")):
            self.succeed("git", "config", key, value)

    def commit(self) -> None:
        identity = ["-c", "user.name=Tester", "-c", "user.email=tester@example.org"]
        self.succeed("git", "add", "--all")
        self.succeed("git", *identity, "commit", "--quiet", "--allow-empty", "--message", "State for the test")

    def set_param(self, name: str, value: object) -> None:
        """Change a line of params.yaml, comments included."""
        path = self.folder / "params.yaml"
        lines = path.read_text().splitlines()
        changed = [f"{name}: {value}" if line.startswith(f"{name}:") else line for line in lines]
        path.write_text("\n".join(changed) + "\n")

    def params(self) -> dict:
        return yaml.safe_load((self.folder / "params.yaml").read_text())

    def outputs(self) -> dict[str, bytes]:
        """The content of every file that the pipeline wrote."""
        roots = [self.folder / name for name in ("data", "models", "reports")]
        files = [path for root in roots for path in sorted(root.rglob("*")) if path.is_file()]
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in files}

    def _make(self) -> None:
        for name in self._listed_files():
            if (REPOSITORY / name).is_file() and not name.startswith(("reports/", "dvc.lock")):
                (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(REPOSITORY / name, self.folder / name)
        put_in_place_of_mnist(self.folder / "src" / "mnist_vae" / "common" / "catalogue.py")
        self._draw_small_figures()
        for name, value in SMALL.items():
            self.set_param(name, value)
        self.run("git", "init", "--quiet", "--initial-branch=main")
        self.commit()

    def _draw_small_figures(self) -> None:
        """Give figures a fifth of the pixels in each direction: what takes long in a run that trains on few images."""
        style = self.folder / "src" / "mnist_vae" / "figures" / "style.py"
        code = style.read_text()
        assert '"figure.dpi": 200' in code
        style.write_text(code.replace('"figure.dpi": 200', '"figure.dpi": 40'))

    @staticmethod
    def _listed_files() -> list[str]:
        command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
        return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout.splitlines()
