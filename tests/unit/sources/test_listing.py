import os
from collections.abc import Callable
from pathlib import Path

import pytest

from image_folders import encoded, picture, write_tree
from mnist_vae.console.stage import UserError
from mnist_vae.sources.listing import list_files

PNG = encoded(picture())


def _complaint(folder: Path) -> str:
    with pytest.raises(UserError) as raised:
        list_files(folder)
    text = str(raised.value)
    assert text.isprintable()  # one line, that every terminal takes
    return text


def test_files_are_listed_in_order_without_what_is_hidden_or_known(tmp_path: Path) -> None:
    aside = (".DS_Store", "a/.hidden.png", "Thumbs.db", "a/desktop.ini", "__MACOSX/a/x.png", "README.md", "LICENSE")
    write_tree(tmp_path, dict.fromkeys(["b/2.png", "a/deep/1.jpg", *aside], PNG))
    assert list_files(tmp_path) == ["a/deep/1.jpg", "b/2.png"]


def test_links_within_the_folder_are_followed(tmp_path: Path) -> None:
    write_tree(tmp_path, {"a/1.png": PNG})
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "2.png").symlink_to(tmp_path / "a" / "1.png")
    assert list_files(tmp_path) == ["a/1.png", "b/2.png"]


def test_the_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    write_tree(tmp_path / "real", {"a/1.png": PNG})
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert list_files(tmp_path / "link") == ["a/1.png"]


def _outside(folder: Path) -> None:
    (folder.parent / "secret.png").write_bytes(PNG)
    (folder / "a" / "out.png").symlink_to(folder.parent / "secret.png")


SPOILT: dict[str, tuple[Callable[[Path], object], str]] = {
    "link out": (_outside, "a link that leads out of the folder (a/out.png)"),
    "link to a folder": (lambda folder: (folder / "loop").symlink_to(folder), "a link that leads to no file (loop)"),
    "dangling": (lambda folder: (folder / "a" / "x.png").symlink_to("nowhere"), "a link that leads to no file (a/x"),
    "fifo": (lambda folder: os.mkfifo(folder / "a" / "pipe.png"), "neither a file nor a folder (a/pipe.png)"),
    "empty class": (lambda folder: (folder / "empty").mkdir(), "an empty folder (empty)"),
    "control character": (lambda folder: (folder / "a" / "x\ny.png").touch(), r"('a/x\ny.png')"),
    "no UTF-8": (lambda folder: Path(os.fsdecode(bytes(folder) + b"/a/\xff.png")).touch(), "not every system accepts"),
    "blank": (lambda folder: (folder / "a" / " 1.png").touch(), "a name that not every system accepts"),
    "capitals": (
        lambda folder: (folder / "a" / "ONE.PNG").touch(),
        "only in upper and lower case (a/one.png beside a/ONE.PNG)",
    ),
    "class in capitals": (
        lambda folder: write_tree(folder, {"A/2.png": PNG}),
        "only in upper and lower case (a beside A)",
    ),
}


@pytest.mark.parametrize("name", SPOILT)
def test_what_cannot_be_copied_is_named(tmp_path: Path, name: str) -> None:
    folder = write_tree(tmp_path / "mine", {"a/one.png": PNG})
    spoil, says = SPOILT[name]
    spoil(folder)
    complaint = _complaint(folder)
    assert says in complaint
    assert "has 1 fault: 1 × " in complaint


def test_faults_are_all_counted_and_the_first_named(tmp_path: Path) -> None:
    write_tree(tmp_path, {"a/1.png": PNG})
    for number in range(5):
        (tmp_path / "a" / f"link{number}.png").symlink_to("nowhere")
    (tmp_path / "empty").mkdir()
    complaint = _complaint(tmp_path)
    assert "has 6 faults: 5 × a link that leads to no file (a/link0.png, a/link1.png, a/link2.png, ...)" in complaint
    assert "1 × an empty folder (empty)" in complaint


def test_folder_without_permission_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_tree(tmp_path, {"a/1.png": PNG, "b/1.png": PNG})
    scandir = os.scandir

    def refuse(path: Path):
        if Path(path).name == "b":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert "1 × a folder that cannot be read (b/: Permission denied)" in _complaint(tmp_path)


def test_missing_folder_a_file_and_an_empty_folder_are_said(tmp_path: Path) -> None:
    assert "which is missing" in _complaint(tmp_path / "none")
    (tmp_path / "file").touch()
    assert "which is not a folder" in _complaint(tmp_path / "file")
    (tmp_path / "empty").mkdir()
    assert "holds no images" in _complaint(tmp_path / "empty")
