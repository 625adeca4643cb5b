"""What the tests of whole runs share: servers, and working copies that are made once."""

from collections.abc import Callable, Iterator
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
def interpreters(shared_folder: Path) -> Interpreters:
    return Interpreters(shared_folder)


@pytest.fixture
def clone(tmp_path: Path, tiny_server: TinyServer, interpreters: Interpreters) -> WorkingCopy:
    """A fresh clone, whose data set is the tiny one."""
    return WorkingCopy(tmp_path / "clone", f"{tiny_server.address}/whole", interpreters)


class Shared:
    """Working copies of which the first process that needs one makes it, and all others copy it."""

    def __init__(self, shared_folder: Path, own_folder: Path, mirror: str, interpreters: Interpreters):
        self._shared, self._own, self._mirror, self._interpreters = shared_folder, own_folder, mirror, interpreters

    def copy(self, name: str, make: Callable[[Path], WorkingCopy]) -> WorkingCopy:
        """The working copy of that name, which is made in the folder that `make` is given."""
        place = self._shared / name
        with FileLock(f"{place}.lock"):
            if not place.exists():
                made = make(self._own / f"unfinished {name}" / "clone")
                made.folder.parent.rename(place)
        copy = WorkingCopy(place / "clone", self._mirror, self._interpreters).copied_to(self._own / name / "clone")
        # It finds the runs' artifacts in the new place. Not in this process, which would keep the database open.
        copy.succeed("python", "tools/sync.py")
        return copy


@pytest.fixture(scope="session")
def shared(
    shared_folder: Path, tmp_path_factory: pytest.TempPathFactory, tiny_server: TinyServer, interpreters: Interpreters
) -> Shared:
    return Shared(shared_folder, tmp_path_factory.mktemp("shared"), f"{tiny_server.address}/whole", interpreters)


@pytest.fixture(scope="session")
def reproduced(shared: Shared, tiny_server: TinyServer, interpreters: Interpreters) -> WorkingCopy:
    """A working copy after one `dvc repro`, committed. Tests leave it as they find it."""

    def make(folder: Path) -> WorkingCopy:
        copy = WorkingCopy(folder, f"{tiny_server.address}/whole", interpreters)
        copy.give_environment()
        copy.succeed("dvc", "repro")
        copy.commit()
        return copy

    return shared.copy("reproduced", make)


@pytest.fixture(scope="session")
def with_experiment(shared: Shared, reproduced: WorkingCopy) -> WorkingCopy:
    """The same after the experiment `half`, of another kl_weight. Tests leave it as they find it."""

    def make(folder: Path) -> WorkingCopy:
        copy = reproduced.copied_to(folder)
        copy.succeed("dvc", "exp", "run", "--name", "half", "-S", "kl_weight=0.5")
        return copy

    return shared.copy("with-experiment", make)
