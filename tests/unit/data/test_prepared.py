from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from builders import tiny_images, tiny_labels
from mnist_vae.console.stage import UserError
from mnist_vae.data.prepared import Prepared, Split, load_prepared, save_prepared

PREPARED = Prepared(*(Split(tiny_images(n, seed=n).numpy(), tiny_labels(n)) for n in (20, 12, 15)))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "data" / "prepared.safetensors"
    save_prepared(PREPARED, path)
    return path


def test_what_was_saved_is_loaded_again(path: Path) -> None:
    for split, again in zip(PREPARED, load_prepared(path), strict=True):
        assert again.images.dtype == again.labels.dtype == np.uint8
        assert np.array_equal(again.images, split.images)
        assert np.array_equal(again.labels, split.labels)


def test_arrays_that_are_not_contiguous_are_saved_as_they_are(tmp_path: Path) -> None:
    turned = Split(PREPARED.train.images.transpose(0, 1, 3, 2), PREPARED.train.labels[::-1])
    assert not turned.images.flags.c_contiguous
    save_prepared(PREPARED._replace(train=turned), tmp_path / "turned")
    again = load_prepared(tmp_path / "turned").train
    assert np.array_equal(again.images, turned.images)
    assert np.array_equal(again.labels, turned.labels)


def test_file_holds_each_array_under_its_splits_name(path: Path) -> None:
    arrays = load_file(path)
    assert np.array_equal(arrays.pop("validation_images"), PREPARED.validation.images)
    assert np.array_equal(arrays.pop("test_labels"), PREPARED.test.labels)
    assert sorted(arrays) == ["test_images", "train_images", "train_labels", "validation_labels"]


def test_two_savings_give_the_same_bytes(path: Path, tmp_path: Path) -> None:
    save_prepared(PREPARED, tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == path.read_bytes()


def test_foreign_and_missing_files_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "prepared.safetensors"
    with pytest.raises(UserError, match=r"prepared\.safetensors is missing"):
        load_prepared(path)
    save_file({"weights": np.zeros(3)}, path)
    with pytest.raises(UserError, match=r"prepared\.safetensors is not a file of prepared data .*train_images"):
        load_prepared(path)
