"""What the tests of whole runs share: servers, and working copies that are made once."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from file_server import FileServer
from interpreters import Interpreters
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
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that all processes of these tests share."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def interpreters(shared_folder: Path) -> Interpreters:
    return Interpreters(shared_folder)


@pytest.fixture
def clone(tmp_path: Path, tiny_server: TinyServer, interpreters: Interpreters) -> WorkingCopy:
    """A fresh clone, whose data set is the tiny one."""
    return WorkingCopy(tmp_path / "clone", f"{tiny_server.address}/whole", interpreters)


@pytest.fixture(scope="session")
def reproduced(
    tmp_path_factory: pytest.TempPathFactory, shared_folder: Path, tiny_server: TinyServer, interpreters: Interpreters
) -> WorkingCopy:
    """A working copy after one `dvc repro`, committed. Tests leave it as they find it."""
    own, made = tmp_path_factory.mktemp("reproduced"), shared_folder / "made"
    mirror = f"{tiny_server.address}/whole"
    with FileLock(f"{made}.lock"):  # the first process makes it, and all copy it
        if not (made / "clone").exists():
            copy = WorkingCopy(own / "unfinished" / "clone", mirror, interpreters)
            copy.give_environment()
            copy.succeed("dvc", "repro")
            copy.commit()
            copy.folder.parent.rename(made)
    copy = WorkingCopy(made / "clone", mirror, interpreters).copied_to(own / "clone")
    # It finds the runs' artifacts in the new place. Not in this process, which would keep the database open.
    copy.succeed("python", "tools/sync.py")
    return copy


@pytest.fixture(scope="session")
def with_experiment(reproduced: WorkingCopy, tmp_path_factory: pytest.TempPathFactory) -> WorkingCopy:
    """The same after the experiment `half`, of another kl_weight. Tests leave it as they find it."""
    copy = reproduced.copied_to(tmp_path_factory.mktemp("with-experiment") / "clone")
    copy.succeed("dvc", "exp", "run", "--name", "half", "-S", "kl_weight=0.5")
    return copy
