import gzip
from collections.abc import Callable
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from builders import made_up_data
from file_server import FileServer
from mnist_vae.common.catalogue import DATASETS
from mnist_vae.console.stage import UserError
from mnist_vae.sources import download
from mnist_vae.sources.bundled import BundledFile
from mnist_vae.sources.download import Patience, UnreachableError, fetch
from mnist_vae.sources.prepare import prepare

IMPATIENT = Patience(connect_seconds=5, read_seconds=0.4, bytes_per_second=1_000_000)
SetMirrors = Callable[..., None]


class Repository:
    """A DVC repository's root with a folder for the files of made-up data, which a server has too."""

    def __init__(self, root: Path, server: FileServer):
        self.root, self.data = root, made_up_data()
        self.folder = root / "data" / "raw" / "mnist"
        self.originals = root / "data" / "originals" / "mnist"
        (root / ".dvc").mkdir()
        server.files |= self.data.contents

    def fetch(self, patience: Patience = Patience()) -> str:
        return fetch(self.data.dataset, self.folder, self.originals, self.root, patience)

    def refusal(self, patience: Patience = IMPATIENT) -> str:
        """The one line of a fetch from nowhere, which leaves nothing behind."""
        with pytest.raises(UnreachableError) as caught:
            self.fetch(patience)
        assert "\n" not in str(caught.value)
        assert list(self.folder.iterdir()) == []
        self.assert_no_scratch()
        return str(caught.value)

    def assert_complete(self) -> None:
        assert {path.name: path.read_bytes() for path in self.folder.iterdir()} == self.data.contents
        self.assert_no_scratch()

    def assert_no_scratch(self) -> None:
        assert [path for path in (self.root / ".dvc").rglob("*") if path.is_file()] == []


@pytest.fixture
def repository(tmp_path: Path, server: FileServer, set_mirrors: SetMirrors) -> Repository:
    set_mirrors()
    return Repository(tmp_path, server)


@pytest.mark.parametrize("manner", ["whole", "redirected", "chunked", "packed", "packing"])
def test_files_come_from_a_mirror_byte_for_byte(
    repository: Repository, server: FileServer, set_mirrors: SetMirrors, manner: str
) -> None:
    set_mirrors(f"{server.address}/{manner}/")
    assert repository.fetch() == f"{server.address}/{manner}/"
    repository.assert_complete()


@pytest.mark.parametrize(
    ("manner", "reason"),
    [
        ("truncated", "was interrupted"),
        ("corrupt", "wrong checksum"),
        ("absent", "HTTP 404 Not Found"),
        ("dripping", "too slow: "),
        ("silent", "no answer within 0.4 s"),
        ("stalled", "no answer within 0.4 s"),
        ("circular", "TooManyRedirects"),
        ("closed", "no connection"),
    ],
)
def test_bad_mirror_is_named_with_its_reason_and_leaves_nothing(
    repository: Repository, server: FileServer, set_mirrors: SetMirrors, manner: str, reason: str
) -> None:
    set_mirrors(f"{server.address}/{manner}")
    text = repository.refusal()
    assert f"{server.address}/{manner} (train-images-idx3-ubyte.gz: {reason}" in text


@pytest.mark.parametrize("kind", ["web", "folder"])
def test_endless_file_is_cut_off(
    repository: Repository,
    server: FileServer,
    set_mirrors: SetMirrors,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
) -> None:
    monkeypatch.setattr(download, "_LARGEST_BYTES", 1000)
    if kind == "web":
        set_mirrors(f"{server.address}/whole")
    else:
        monkeypatch.setenv("MNIST_MIRROR", str(repository.data.write(repository.root / "files")))
    assert "more than 1,000 bytes" in repository.refusal()


def test_slow_start_is_forgiven(
    repository: Repository, server: FileServer, set_mirrors: SetMirrors, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Before read_seconds are over no rate is asked for, after them this one is too high for the same file.
    patience = Patience(connect_seconds=5, read_seconds=5, bytes_per_second=1e9)
    set_mirrors(f"{server.address}/whole")
    monkeypatch.setattr(download, "time", SimpleNamespace(monotonic=count(0, 6).__next__))
    assert "too slow" in repository.refusal(patience)
    monkeypatch.setattr(download, "time", SimpleNamespace(monotonic=count(0, 0.01).__next__))
    repository.fetch(patience)
    repository.assert_complete()


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:1", "http://name.invalid", "http://", "http://[::1", "http://a..b", "http://h:99999"]
)
def test_message_names_the_bad_address(repository: Repository, set_mirrors: SetMirrors, address: str) -> None:
    set_mirrors(address)
    assert f"Tried {address} (" in repository.refusal()


@pytest.mark.parametrize("name", ["nowhere", "files"])
def test_folder_without_the_file_is_named_with_its_reason(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (repository.root / "files" / "train-images-idx3-ubyte.gz").mkdir(parents=True)
    monkeypatch.setenv("MNIST_MIRROR", name)
    reason = "No such file" if name == "nowhere" else "Is a directory"
    assert f"{repository.root / name} (train-images-idx3-ubyte.gz: {reason}" in repository.refusal()


@pytest.mark.parametrize("manner", ["truncated", "corrupt", "absent", "silent"])
def test_second_mirror_takes_over(
    repository: Repository, server: FileServer, set_mirrors: SetMirrors, manner: str
) -> None:
    set_mirrors(f"{server.address}/{manner}", f"{server.address}/whole")
    assert repository.fetch(IMPATIENT._replace(read_seconds=1, bytes_per_second=0)) == f"{server.address}/whole"
    repository.assert_complete()


def test_second_mirror_gives_only_what_the_first_lacks(
    repository: Repository, server: FileServer, set_mirrors: SetMirrors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    half = repository.data.write(tmp_path / "half")
    (half / "t10k-images-idx3-ubyte.gz").unlink()
    monkeypatch.setenv("MNIST_MIRROR", "half")
    set_mirrors(f"{server.address}/whole")
    assert repository.fetch() == f"{half}, {server.address}/whole"
    assert server.requested == ["/whole/t10k-images-idx3-ubyte.gz", "/whole/t10k-labels-idx1-ubyte.gz"]
    repository.assert_complete()


def test_no_file_is_in_the_folder_before_all_are_verified(
    repository: Repository, server: FileServer, set_mirrors: SetMirrors
) -> None:
    seen: list[Path] = []
    server.on_request = lambda: seen.extend(repository.folder.iterdir())
    set_mirrors(f"{server.address}/whole")
    repository.fetch()
    assert len(server.requested) == 4
    assert seen == []


def test_last_file_missing_leaves_none(repository: Repository, server: FileServer, set_mirrors: SetMirrors) -> None:
    del server.files["t10k-labels-idx1-ubyte.gz"]
    set_mirrors(f"{server.address}/whole")
    assert "t10k-labels-idx1-ubyte.gz could not be obtained" in repository.refusal()


def test_files_that_are_there_need_no_source(
    repository: Repository, server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.data.write(repository.folder)
    monkeypatch.setenv("MNIST_MIRROR", f"{server.address}/whole")
    assert repository.fetch() == "already there"
    assert server.requested == []


def test_only_a_damaged_file_is_fetched_again(
    repository: Repository, server: FileServer, set_mirrors: SetMirrors
) -> None:
    repository.data.write(repository.folder)
    (repository.folder / "train-labels-idx1-ubyte.gz").write_bytes(b"damaged")
    set_mirrors(f"{server.address}/whole")
    repository.fetch()
    assert server.requested == ["/whole/train-labels-idx1-ubyte.gz"]
    repository.assert_complete()


def test_foreign_file_in_the_folder_is_refused_and_kept(repository: Repository) -> None:
    repository.data.write(repository.folder)
    (repository.folder / "thesis.txt").write_text("all of it")
    with pytest.raises(UserError, match=r"mnist holds thesis\.txt"):
        repository.fetch()
    assert (repository.folder / "thesis.txt").read_text() == "all of it"


@pytest.mark.parametrize("form", ["relative", "absolute", "home", "http"])
def test_own_mirror_comes_before_torchvisions(
    repository: Repository, server: FileServer, set_mirrors: SetMirrors, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    folder = repository.data.write(repository.root / "my" / "files")
    addresses = {
        "relative": "my/files",
        "absolute": str(folder),
        "home": "~/my/files",
        "http": f"{server.address}/whole",
    }
    monkeypatch.setenv("HOME", str(repository.root))
    monkeypatch.setenv("MNIST_MIRROR", addresses[form])
    set_mirrors(f"{server.address}/corrupt")
    assert repository.fetch() == (addresses[form] if form == "http" else str(folder))
    assert not [path for path in server.requested if "corrupt" in path]
    repository.assert_complete()


def test_damaged_file_in_an_own_folder_is_not_taken(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = repository.data.write(repository.root / "files")
    (folder / "train-images-idx3-ubyte.gz").write_bytes(b"damaged")
    monkeypatch.setenv("MNIST_MIRROR", "files")
    assert f"{folder} (train-images-idx3-ubyte.gz: wrong checksum)" in repository.refusal()


@pytest.mark.parametrize("place", ["", "raw", "MNIST/raw"])
@pytest.mark.parametrize("form", ["packed", "packed again", "unpacked", "as unpackers name them", "dots, packed"])
def test_files_are_accepted_by_content_in_any_container_and_place(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, form: str, place: str
) -> None:
    folder = repository.root / "files" / place
    folder.mkdir(parents=True)
    for name, packed in repository.data.contents.items():
        content = gzip.decompress(packed)
        dotted = name.replace("-idx", ".idx")
        forms = {
            "packed": (name, packed),
            "packed again": (name, gzip.compress(content, compresslevel=1, mtime=7)),
            "unpacked": (name.removesuffix(".gz"), content),
            "as unpackers name them": (dotted.removesuffix(".gz"), content),
            "dots, packed": (dotted, packed),
        }
        (folder / forms[form][0]).write_bytes(forms[form][1])
    monkeypatch.setenv("MNIST_MIRROR", "files")
    assert repository.fetch() == str(repository.root / "files")
    if form in {"packed", "dots, packed"}:
        repository.assert_complete()
    else:
        expected = {
            name.removesuffix(".gz"): gzip.decompress(packed) for name, packed in repository.data.contents.items()
        }
        assert {path.name: path.read_bytes() for path in repository.folder.iterdir()} == expected
    prepared = prepare(repository.data.dataset, repository.folder, 28, 5, seed=0)
    assert np.array_equal(prepared.test.images[:, 0], repository.data.test_images)
    assert repository.fetch() == "already there"


def test_files_that_a_person_placed_are_taken_and_stay(repository: Repository) -> None:
    repository.data.write(repository.originals)
    assert repository.fetch() == str(repository.originals)
    repository.assert_complete()
    assert {path.name: path.read_bytes() for path in repository.originals.iterdir()} == repository.data.contents


def test_damaged_file_is_skipped_if_its_other_form_is_good(repository: Repository) -> None:
    repository.data.write(repository.originals)
    packed = repository.originals / "train-images-idx3-ubyte.gz"
    packed.with_suffix("").write_bytes(gzip.decompress(packed.read_bytes()))
    packed.write_bytes(packed.read_bytes()[:-9])
    repository.fetch()
    assert (repository.folder / "train-images-idx3-ubyte").exists()


def test_message_asks_for_packed_files_if_only_their_checksums_are_known(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torchvision.datasets.KMNIST.mirrors", [])
    with pytest.raises(UnreachableError, match=r"put train-images-idx3-ubyte\.gz, .* into /") as refused:
        fetch(DATASETS["kmnist"], repository.folder, repository.originals, repository.root)
    assert "gzipped or not" not in str(refused.value)


def test_small_file_that_unpacks_to_a_huge_one_is_cut_off(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "_LARGEST_BYTES", 30_000)
    repository.originals.mkdir(parents=True)
    (repository.originals / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(bytes(10_000_000)))
    assert "unpacks to more than 30,000 bytes" in repository.refusal()


def test_file_in_both_forms_is_refused_and_kept(repository: Repository) -> None:
    repository.data.write(repository.folder)
    (repository.folder / "train-labels-idx1-ubyte").write_bytes(b"mine")
    with pytest.raises(UserError, match=r"both train-labels-idx1-ubyte\.gz and train-labels-idx1-ubyte: move one"):
        repository.fetch()
    assert (repository.folder / "train-labels-idx1-ubyte").read_bytes() == b"mine"


def test_server_may_have_the_files_unpacked(
    repository: Repository, server: FileServer, set_mirrors: SetMirrors
) -> None:
    for name in list(server.files):
        server.files[name.removesuffix(".gz")] = gzip.decompress(server.files.pop(name))
    set_mirrors(f"{server.address}/whole")
    repository.fetch()
    assert {path.name for path in repository.folder.iterdir()} == set(server.files)


@pytest.mark.parametrize("address", ["ftp://example.org/mnist", "s3://bucket/mnist", "file:///mnist"])
def test_other_kinds_of_address_are_refused(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("MNIST_MIRROR", address)
    with pytest.raises(UserError, match=f"MNIST_MIRROR is {address}, but must be a folder or an http"):
        repository.fetch()


def test_message_names_all_that_was_tried_and_the_ways_out(
    repository: Repository, server: FileServer, set_mirrors: SetMirrors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MNIST_MIRROR", "nowhere")
    set_mirrors(f"{server.address}/absent", f"{server.address}/corrupt")
    text = repository.refusal()
    tried = [str(repository.root / "nowhere"), f"{server.address}/absent", f"{server.address}/corrupt"]
    places = [text.index(source) for source in tried]
    assert places == sorted(places)
    assert all(way in text for way in ("MNIST_MIRROR", str(repository.originals), "make demo"))
    assert all(name.removesuffix(".gz") in text for name in repository.data.contents)
    assert str(repository.folder) not in text


@pytest.mark.parametrize("scheme", ["http", "ftp"])
@pytest.mark.parametrize("secret", ["secret", "sec@ret", "sec:ret"])
def test_password_of_the_mirror_is_not_shown(
    repository: Repository,
    server: FileServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    scheme: str,
    secret: str,
) -> None:
    address = server.address.removeprefix("http://")
    monkeypatch.setenv("MNIST_MIRROR", f"{scheme}://person:{secret}@{address}/absent")
    with pytest.raises(UserError) as caught:
        repository.fetch(IMPATIENT)
    assert f"{scheme}://{address}/absent" in str(caught.value)
    assert "person" not in str(caught.value) + "".join(capsys.readouterr())


def test_password_is_not_shown_where_the_address_is_no_address(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MNIST_MIRROR", "http://person:secret@h:99999")
    shown = repository.refusal() + "".join(capsys.readouterr())
    assert "secret" not in shown


def test_digits_need_no_source(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MNIST_MIRROR", "ftp://would.be.refused")
    digits, folder = DATASETS["digits"], repository.root / "data" / "raw" / "digits"
    assert fetch(digits, folder, repository.originals, repository.root) == "scikit-learn"
    assert {path.name for path in folder.iterdir()} == {file.name for file in digits.files}
    assert fetch(digits, folder, repository.originals, repository.root) == "already there"


def test_digits_of_an_unknown_version_are_refused(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    others = [BundledFile(file.name, b"others") for file in DATASETS["digits"].files]
    monkeypatch.setattr(download, "digits_files", lambda: others)
    with pytest.raises(UserError, match=r"are not those of the project's version \(train-images"):
        fetch(DATASETS["digits"], repository.folder, repository.originals, repository.root)
    assert list(repository.folder.iterdir()) == []
