"""What all tests share: shapes checked at run time, an environment without traces of the caller's, one torch thread."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from jaxtyping import install_import_hook

from file_server import FileServer
from tiny_mnist import TinyServer
from working_copy import WorkingCopy

# Before any test module imports the package, so that every annotated shape and type in it is checked.
install_import_hook("mnist_vae", "beartype.beartype")

_REPOSITORY = Path(__file__).parent.parent
_MIRROR = os.environ.get("MNIST_MIRROR", "")
_OUTSIDE = (
    "MNIST_MIRROR",
    "DVC_ROOT",
    "DVC_STAGE",
    "DVC_EXP_NAME",
    "DVC_EXP_BASELINE_REV",
    "MLFLOW_TRACKING_URI",
    "MLFLOW_EXPERIMENT_NAME",
    "MLFLOW_EXPERIMENT_ID",
    "MLFLOW_RUN_ID",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that run whole pipelines first: they take minutes, and what is begun last ends alone."""
    long = {item.path for item in items if "tiny_server" in getattr(item, "fixturenames", ())}
    items.sort(key=lambda item: item.path not in long)


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in _OUTSIDE:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def mnist_mirror() -> Path:
    """The folder of the original files that MNIST_MIRROR names, for tests of the real ones."""
    folder = _REPOSITORY / _MIRROR
    if not _MIRROR or not folder.is_dir():
        pytest.skip("MNIST_MIRROR names no folder of the original files")
    return folder.resolve()


@pytest.fixture
def server() -> Iterator[FileServer]:
    server = FileServer()
    yield server
    server.close()


@pytest.fixture(scope="session")
def tiny_server() -> Iterator[TinyServer]:
    server = TinyServer()
    yield server
    server.close()


@pytest.fixture(scope="session")
def reproduced(tmp_path_factory: pytest.TempPathFactory, tiny_server: TinyServer) -> WorkingCopy:
    """A working copy after one `dvc repro`, committed. Tests leave it as they find it."""
    own, place = tmp_path_factory.mktemp("reproduced"), tmp_path_factory.getbasetemp()
    # All processes of these tests copy the one that the first of them makes.
    made = (place.parent if "PYTEST_XDIST_WORKER" in os.environ else place) / "made"
    mirror = f"{tiny_server.address}/whole"
    with FileLock(f"{made}.lock"):
        if not (made / "clone").exists():
            copy = WorkingCopy(own / "unfinished" / "clone", mirror)
            copy.give_environment()
            copy.succeed("dvc", "repro")
            copy.commit()
            copy.folder.parent.rename(made)
    copy = WorkingCopy(made / "clone", mirror).copied_to(own / "clone")
    # It finds the runs' artifacts in the new place. Not in this process, which would keep the database open.
    copy.succeed("python", "tools/sync.py")
    return copy


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A new store's database, made once: that takes seconds."""
    from mnist_vae.tracking.store import open_store

    root = tmp_path_factory.mktemp("empty-store")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)  # MLflow sets it where a test before made it register
        open_store(root)
    return (root / "mlflow.db").read_bytes()


@pytest.fixture(scope="session")
def with_experiment(reproduced: WorkingCopy, tmp_path_factory: pytest.TempPathFactory) -> WorkingCopy:
    """The same after the experiment `half`, of another kl_weight. Tests leave it as they find it."""
    copy = reproduced.copied_to(tmp_path_factory.mktemp("with-experiment") / "clone")
    copy.succeed("dvc", "exp", "run", "--name", "half", "-S", "kl_weight=0.5")
    return copy


@pytest.fixture
def set_mirrors(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes the given addresses those of torchvision's mirrors of MNIST."""
    import torchvision.datasets

    def set_mirrors(*addresses: str) -> None:
        monkeypatch.setattr(torchvision.datasets.MNIST, "mirrors", list(addresses))

    return set_mirrors
