"""Temporary clones of the last commit, in which the whole pipeline runs from the start."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import command  # noqa: F401 (it puts the package on the path)

from experiments import git
from mnist_vae.common import paths
from mnist_vae.common.catalogue import DATASETS
from mnist_vae.common.params import load_params
from mnist_vae.console.stage import UserError
from unlock import repair

_CHECKPOINT_SECONDS = "2"  # short, so that even a short training writes a checkpoint before it is interrupted


class Clone:
    """A clone without results, in which params.yaml has the given changes.

    The data set's files come from MNIST_MIRROR, otherwise from the repository, if it has them.
    """

    def __init__(self, root: Path, folder: Path, changes: Mapping[str, str]):
        # The project may be a part of a larger Git repository.
        top, place = git(root, "rev-parse", "--show-toplevel"), git(root, "rev-parse", "--show-prefix")
        git(root, "clone", "--quiet", "--config", "advice.detachedHead=false", top, str(folder))
        self.folder = folder = folder / place
        # The committed results are deleted: a stage whose outputs are in Git would not run.
        shutil.rmtree(folder / "reports", ignore_errors=True)
        (folder / "dvc.lock").unlink(missing_ok=True)
        self._change(changes)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
        self._environment = inherited | {"PYTHONUNBUFFERED": "1", "MNIST_VAE_CHECKPOINT_SECONDS": _CHECKPOINT_SECONDS}
        dataset = load_params(folder / paths.PARAMS).dataset
        raw = root / paths.raw(dataset)
        if dataset in DATASETS and all(file.find(raw).is_file() for file in DATASETS[dataset].files):
            self._environment.setdefault("MNIST_MIRROR", str(raw))

    @contextmanager
    def repro(self) -> Iterator[subprocess.Popen[str]]:
        """`dvc repro` in a process group of its own. If it still runs at the end of the block, it is killed."""
        repair(self.folder)
        process = subprocess.Popen(
            ["dvc", "repro"],
            cwd=self.folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def _change(self, changes: Mapping[str, str]) -> None:
        path = self.folder / paths.PARAMS
        lines = path.read_text("utf-8").splitlines()
        for key, value in changes.items():
            if not any(line.startswith(f"{key}:") for line in lines):
                raise UserError(f"{key} is not a parameter")
            lines = [f"{key}: {value}" if line.startswith(f"{key}:") else line for line in lines]
        path.write_text("\n".join(lines) + "\n", "utf-8")
