"""A clone of this repository that runs on the tiny data set, and the commands that people type in it."""

import copy
import os
import shutil
import subprocess
import sys
from pathlib import Path

import yaml
from filelock import FileLock

from commands import Folder
from empty_store import empty_store_in
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
    "likelihood_samples": 10,
    "interpolation_steps": 5,
    # Two trainings at once, each with a thread per core, slow each other down many times over.
    "threads": 1,
}


class WorkingCopy(Folder):
    """A Git repository in `folder` with this one's files, committed, and with parameters for a run of seconds.

    It is created unless it exists. Its `python` and `dvc` are the preloaded ones.
    """

    def __init__(self, folder: Path, mirror: str, interpreters: Interpreters):
        home = folder.parent / "home"
        home.mkdir(parents=True, exist_ok=True)
        environment = {
            "PATH": interpreters.search_path,
            "HOME": str(home),  # no Git identity, no caches: as on a new machine
            "MNIST_MIRROR": mirror,
            # The commands can reach only this machine.
            "http_proxy": "http://127.0.0.1:9",
            "https_proxy": "http://127.0.0.1:9",
            "no_proxy": "127.0.0.1",
        }
        super().__init__(folder, environment)
        self._programs = interpreters.folder
        if not folder.exists():
            self._copy_template(interpreters.folder.parent / "template")

    def use_real_interpreters(self) -> None:
        """Let its commands start the real Python and DVC, as a person's commands do."""
        self.environment["PATH"] = f"{REAL}{os.pathsep}{os.environ['PATH']}"
        self._programs = REAL

    def copied_to(self, folder: Path) -> "WorkingCopy":
        """A copy of the repository in another place, which may be changed. Its runs stay in its own database."""
        other = copy.copy(self)
        other.folder, other.environment = folder, dict(self.environment)
        shutil.copytree(self.folder, folder, symlinks=True)
        if (folder / ".venv").exists():  # it counts as set up only in its original place
            shutil.rmtree(folder / ".venv")
            other.give_environment()
        return other

    def give_environment(self) -> None:
        """Make the tests' environment look set up to `make`. The set-up itself has tests of its own."""
        (self.folder / ".venv").mkdir()
        (self.folder / ".venv" / "bin").symlink_to(self._programs)
        for name in ("lib", "pyvenv.cfg"):  # a real interpreter finds its packages by these
            (self.folder / ".venv" / name).symlink_to(Path(sys.prefix) / name)
        stamp = f"{self.folder}\n{(self.folder / 'requirements.txt').read_text()}"
        (self.folder / ".venv" / "installed").write_text(stamp)

    def introduce(self) -> None:
        """Set Git's user. DVC needs it to queue or apply an experiment in a workspace with changes."""
        for key, value in (("user.name", "Tester"), ("user.email", "tester@example.org")):
            self.succeed("git", "config", key, value)

    def commit(self) -> None:
        identity = ["-c", "user.name=Tester", "-c", "user.email=tester@example.org"]
        self.succeed("git", "add", "--all")
        self.succeed("git", *identity, "commit", "--quiet", "--allow-empty", "--message", "State for the test")

    def set_param(self, name: str, value: object) -> None:
        """Replace a line of params.yaml, including its comment."""
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

    def _copy_template(self, template: Path) -> None:
        """Copy the repository that the first process made, with an empty store. Making it takes seconds."""
        with FileLock(f"{template}.lock"):
            if not template.exists():
                made = copy.copy(self)
                made.folder = template.with_name("unfinished template")
                made._make()
                (made.folder / "mlflow.db").write_bytes(empty_store_in(template.parent))
                made.folder.rename(template)
        shutil.copytree(template, self.folder, symlinks=True)

    def _make(self) -> None:
        for name in self._listed_files():
            # Without results, and without the tests, which no command in it reads.
            if (REPOSITORY / name).is_file() and not name.startswith(("reports/", "tests/", "dvc.lock")):
                (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(REPOSITORY / name, self.folder / name)
        put_in_place_of_mnist(self.folder / "src" / "mnist_vae" / "common" / "catalogue.py")
        self._draw_small_figures()
        for name, value in SMALL.items():
            self.set_param(name, value)
        self.run("git", "init", "--quiet", "--initial-branch=main")
        self.commit()
        self.succeed("git", "gc", "--quiet")  # each copy of it has 500 fewer files

    def _draw_small_figures(self) -> None:
        """Draw figures with a fifth of the pixels in each direction, and place what is in them without measuring it.

        Drawing takes most of such a short run.
        """
        style = self.folder / "src" / "mnist_vae" / "figures" / "style.py"
        code = style.read_text()
        for original, quick in (('"figure.dpi": 200', '"figure.dpi": 40'), ('layout="constrained"', 'layout="none"')):
            assert code.count(original) == 1
            code = code.replace(original, quick)
        style.write_text(code)

    @staticmethod
    def _listed_files() -> list[str]:
        command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
        return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout.splitlines()
