"""A stage in a process of its own, without the seconds that Python takes to import torch and MLflow.

It is forked from a server that has imported them, and imports the project's code from the folder in which it runs.
Unpickling anything is an error there.
"""

import ctypes
import multiprocessing
import os
import resource
import runpy
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

FORKSERVER = multiprocessing.get_context("forkserver")
FORKSERVER.set_forkserver_preload(
    [
        *(
            "torch",
            "torch._dynamo",
            "safetensors.torch",
            "safetensors.numpy",
            "jaxtyping",
            "pydantic",
            "yaml",
            "requests",
            "tqdm",
        ),
        *("mlflow", "mlflow.store.tracking.sqlalchemy_store", "mlflow.store.artifact.local_artifact_repo", "filelock"),
        *("seaborn", "matplotlib.backends.backend_agg", "PIL.Image", "sklearn.mixture", "sklearn.decomposition"),
    ]
)
_SECONDS = 120


class Ended(NamedTuple):
    """How a stage ended: its exit code, and what it wrote to standard output and to standard error."""

    code: int | None
    printed: str
    complaint: str


class Circumstances(NamedTuple):
    """Environment variables; what stands for PYTHONPATH; above how many bytes a file cannot grow; whether the folder's
    file system is read-only.
    """

    variables: Mapping[str, str] = {}
    code: str = "src"
    file_bytes: int | None = None
    read_only: bool = False


def run_stage_in(
    folder: Path, stage: str, arguments: Sequence[str] = (), around: Circumstances = Circumstances()
) -> Ended:
    """Run a stage as DVC does, in a folder that has src and stages."""
    printed, complaint = folder.parent / f"{folder.name}.out", folder.parent / f"{folder.name}.err"
    all_of_it = (folder, stage, list(arguments), around, printed, complaint)
    process = FORKSERVER.Process(target=_run, args=all_of_it)
    process.start()
    process.join(_SECONDS)
    assert not process.is_alive(), f"{stage} did not end"
    return Ended(process.exitcode, printed.read_text(), complaint.read_text())


def can_mount() -> bool:
    """Whether this process may make a folder read-only for itself."""
    return sys.platform == "linux" and subprocess.run(["unshare", "-m", "true"], check=False).returncode == 0


def _run(folder: Path, stage: str, arguments: list[str], around: Circumstances, printed: Path, complaint: Path) -> None:
    for number, path in ((1, printed), (2, complaint)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    if around.read_only:
        _make_read_only(folder)
    os.chdir(folder)
    os.environ |= around.variables
    # As PYTHONPATH makes it; the tests' own path leads to the repository's code.
    sys.path[:] = [around.code, *(entry for entry in sys.path if not (Path(entry) / "mnist_vae").is_dir())]
    sys.argv = [f"stages/{stage}.py", *arguments]
    if around.file_bytes is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (around.file_bytes, around.file_bytes))
    sys.addaudithook(_refuse_unpickling)
    runpy.run_path(sys.argv[0], run_name="__main__")


def _make_read_only(folder: Path) -> None:
    # In a mount namespace of this process's own: nothing changes for others.
    new_namespace, bind, remount, read_only, recursive, private = 0x20000, 4096, 32, 1, 16384, 1 << 18
    place, libc = str(folder).encode(), ctypes.CDLL(None, use_errno=True)
    for failed in (
        libc.unshare(new_namespace),
        libc.mount(None, b"/", None, recursive | private, None),
        libc.mount(place, place, None, bind, None),
        libc.mount(None, place, None, bind | remount | read_only, None),
    ):
        if failed:
            raise OSError(ctypes.get_errno(), "cannot mount")


def _refuse_unpickling(event: str, arguments: tuple) -> None:
    # What Python announces whenever a pickle names a class or a function, which is how it can run any code.
    if event == "pickle.find_class":
        raise RuntimeError(f"unpickles {arguments}")
