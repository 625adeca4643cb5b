from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from builders import tiny_images, tiny_labels
from mnist_vae.prepared import Prepared, Split, load_prepared, save_prepared
from mnist_vae.stage import StageError


def _prepared() -> Prepared:
    return Prepared(*(Split(tiny_images(n, seed=n).numpy(), tiny_labels(n)) for n in (20, 12, 15)))


def test_what_was_saved_is_loaded_again(tmp_path: Path) -> None:
    path, prepared = tmp_path / "data" / "prepared.safetensors", _prepared()
    save_prepared(prepared, path)
    for split, again in zip(prepared, load_prepared(path), strict=True):
        assert again.images.dtype == again.labels.dtype == np.uint8
        assert np.array_equal(again.images, split.images)
        assert np.array_equal(again.labels, split.labels)


def test_two_savings_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        save_prepared(_prepared(), tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@pytest.mark.parametrize("kept", [0, 5, 100, -1])
def test_torn_file_is_refused_by_name(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "prepared.safetensors"
    save_prepared(_prepared(), path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(StageError, match=r"prepared\.safetensors is no file of prepared data .*dvc repro"):
        load_prepared(path)


def test_foreign_and_missing_files_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "prepared.safetensors"
    with pytest.raises(StageError, match=r"prepared\.safetensors is missing"):
        load_prepared(path)
    save_file({"weights": np.zeros(3)}, path)
    with pytest.raises(StageError, match=r"prepared\.safetensors is no file of prepared data .*train_images"):
        load_prepared(path)
