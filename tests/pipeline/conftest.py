"""What the tests of whole runs share: servers, and working copies that are made once."""

import os
from collections.abc import Iterator

import pytest
from filelock import FileLock

from file_server import FileServer
from tiny_mnist import TinyServer
from working_copy import WorkingCopy


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
def with_experiment(reproduced: WorkingCopy, tmp_path_factory: pytest.TempPathFactory) -> WorkingCopy:
    """The same after the experiment `half`, of another kl_weight. Tests leave it as they find it."""
    copy = reproduced.copied_to(tmp_path_factory.mktemp("with-experiment") / "clone")
    copy.succeed("dvc", "exp", "run", "--name", "half", "-S", "kl_weight=0.5")
    return copy
