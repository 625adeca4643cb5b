"""What all tests share: shapes checked at run time, an environment without traces of the caller's, one torch thread."""

import gc
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from jaxtyping import install_import_hook

from places import REPOSITORY

gc.disable()  # until all test modules and what they import are there, which takes a third less time so
# Before any test module imports the package, so that every annotated shape and type in it is checked.
install_import_hook("mnist_vae", "beartype.beartype")

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


def pytest_collection_finish() -> None:
    """Collect garbage from now on, but never again look at the modules: that takes seconds in a run."""
    # Its plugin would import it later, and it asks the collector what refers to Python's random numbers.
    import hypothesis.internal.entropy  # noqa: F401

    gc.enable()
    gc.freeze()


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in _OUTSIDE:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    import torch  # not above: pytest's main process, too, reads this file, and would import it before it starts workers

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def mnist_mirror() -> Path:
    """The folder of the original files that MNIST_MIRROR names, for tests of the real ones."""
    folder = REPOSITORY / _MIRROR
    if not _MIRROR or not folder.is_dir():
        pytest.skip("MNIST_MIRROR names no folder of the original files")
    return folder.resolve()


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that all processes of these tests share."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def empty_store(shared_folder: Path) -> bytes:
    """A new store's database."""
    from empty_store import empty_store_in  # takes seconds, and most tests need none

    return empty_store_in(shared_folder)


@pytest.fixture
def set_mirrors(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes the given addresses those of torchvision's mirrors of MNIST."""
    import torchvision.datasets

    def set_mirrors(*addresses: str) -> None:
        monkeypatch.setattr(torchvision.datasets.MNIST, "mirrors", list(addresses))

    return set_mirrors
