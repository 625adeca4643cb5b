"""Larochelle's files, made up: small ones, and their text written out from the format's description."""

from pathlib import Path

import numpy as np
import pytest

from mnist_vae.common.catalogue import LAROCHELLE_FILES
from mnist_vae.console.stage import UserError
from mnist_vae.sources import larochelle
from mnist_vae.sources.larochelle import forget_larochelle, keep_larochelle, prepare_larochelle, read_bits

SIZES = (5, 2, 3)
ORIGINALS = Path("data/originals/mnist")


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(larochelle, "LAROCHELLE_SIZES", SIZES)


def _bits(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2, (count, 784))


def _text(bits: np.ndarray, end: str = "\n") -> str:
    return "".join(" ".join(map(str, row)) + end for row in bits.tolist())


def _write(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for seed, (name, size) in enumerate(zip(LAROCHELLE_FILES, SIZES, strict=True)):
        (folder / name).write_text(_text(_bits(size, seed)))
    return folder


@pytest.mark.parametrize("end", ["\n", " \n", "\r\n"], ids=repr)
def test_lines_become_black_and_white_images_row_by_row(tmp_path: Path, end: str) -> None:
    bits = _bits(4, 0)
    (tmp_path / "file").write_text(_text(bits, end))
    images = read_bits(tmp_path / "file", 4)
    assert images.dtype == np.uint8
    for image, row in zip(images, bits, strict=True):
        assert [[255 * bit for bit in row[28 * y : 28 * y + 28]] for y in range(28)] == image[0].tolist()


def test_last_line_may_lack_its_end(tmp_path: Path) -> None:
    (tmp_path / "file").write_text(_text(_bits(2, 0)).rstrip("\n"))
    assert len(read_bits(tmp_path / "file", 2)) == 2


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "holds 0 lines, but must hold 2"),
        (_text(_bits(3, 0)), "holds 3 lines, but must hold 2"),
        (_text(_bits(1, 0)) + "0 1 0\n", "damaged: line 2 does not consist of 784 digits"),
        (_text(_bits(1, 0)) + _text(np.full((1, 784), 2)), "damaged: line 2"),
        ("\n" + _text(_bits(1, 0)), "damaged: line 1"),
        (_text(_bits(1, 0)) + _text(_bits(1, 1)).replace("1", "x"), "damaged: line 2"),
        (_text(_bits(1, 0)) + _text(_bits(1, 1)).replace("1", "0.5"), "damaged: line 2"),
    ],
)
def test_file_of_another_form_is_refused_in_a_line(tmp_path: Path, content: str, complaint: str) -> None:
    (tmp_path / "file").write_text(content)
    with pytest.raises(UserError, match=complaint) as caught:
        read_bits(tmp_path / "file", 2)
    assert str(tmp_path / "file") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_splits_are_the_files_without_classes(tmp_path: Path) -> None:
    prepared = prepare_larochelle(_write(tmp_path))
    for seed, (split, size) in enumerate(zip(prepared, SIZES, strict=True)):
        assert np.array_equal(split.images.reshape(size, 784), 255 * _bits(size, seed))
        assert split.labels.tolist() == [0] * size


def test_files_are_taken_from_the_folder_that_the_mirror_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mirror = _write(tmp_path / "mine")
    monkeypatch.setenv("MNIST_MIRROR", "mine")
    assert keep_larochelle(tmp_path / "raw", ORIGINALS, tmp_path) == str(mirror)
    assert keep_larochelle(tmp_path / "raw", ORIGINALS, tmp_path) == "already there"
    for name in LAROCHELLE_FILES:
        assert (tmp_path / "raw" / name).read_bytes() == (mirror / name).read_bytes()


def test_files_are_taken_from_the_originals_and_those_of_mnist_stay(tmp_path: Path) -> None:
    originals = _write(tmp_path / ORIGINALS)
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "train-images-idx3-ubyte.gz").write_bytes(b"of MNIST")
    assert keep_larochelle(tmp_path / "raw", ORIGINALS, tmp_path) == str(originals)
    forget_larochelle(tmp_path / "raw")
    assert [path.name for path in (tmp_path / "raw").iterdir()] == ["train-images-idx3-ubyte.gz"]


@pytest.mark.parametrize("mirror", ["", "https://example.org/mnist", "elsewhere"])
def test_missing_files_are_named_with_the_ways_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mirror: str
) -> None:
    (_write(tmp_path / ORIGINALS) / LAROCHELLE_FILES[1]).unlink()
    monkeypatch.setenv("MNIST_MIRROR", mirror)
    with pytest.raises(UserError) as caught:
        keep_larochelle(tmp_path / "raw", ORIGINALS, tmp_path)
    text = str(caught.value)
    assert "binarisation is larochelle" in text
    assert all(part in text for part in (*LAROCHELLE_FILES, str(tmp_path / ORIGINALS), "fixed"))
    assert "\n" not in text
    assert list((tmp_path / "raw").iterdir()) == []


def test_damaged_file_is_not_kept(tmp_path: Path) -> None:
    originals = _write(tmp_path / ORIGINALS)
    (originals / LAROCHELLE_FILES[0]).write_text("0 1\n" * SIZES[0])
    with pytest.raises(UserError, match="damaged: line 1"):
        keep_larochelle(tmp_path / "raw", ORIGINALS, tmp_path)
    assert list((tmp_path / "raw").iterdir()) == []
