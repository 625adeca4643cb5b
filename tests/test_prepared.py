from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save, save_file

from builders import tiny_images, tiny_labels
from mnist_vae.console.stage import UserError
from mnist_vae.data.prepared import Prepared, Sizes, Split, load_prepared, new_prepared


def _prepared() -> Prepared:
    return Prepared(*(Split(tiny_images(n, seed=n).numpy(), tiny_labels(n)) for n in (20, 12, 15)))


def _save(prepared: Prepared, path: Path, rows: int = 100) -> None:
    with new_prepared(path, Sizes(*(len(split.labels) for split in prepared)), image_size=16) as file:
        for start in range(0, 20, rows):
            for name, split in prepared._asdict().items():
                file.append(name, Split(split.images[start : start + rows], split.labels[start : start + rows]))


def test_what_was_saved_is_loaded_again(tmp_path: Path) -> None:
    path, prepared = tmp_path / "data" / "prepared.safetensors", _prepared()
    _save(prepared, path)
    for split, again in zip(prepared, load_prepared(path), strict=True):
        assert again.images.dtype == again.labels.dtype == np.uint8
        assert np.array_equal(again.images, split.images)
        assert np.array_equal(again.labels, split.labels)


@pytest.mark.parametrize("rows", [1, 7, 100])
def test_bytes_are_those_of_safetensors_own_save(tmp_path: Path, rows: int) -> None:
    prepared = _prepared()
    arrays = {f"{name}_images": split.images for name, split in prepared._asdict().items()}
    arrays |= {f"{name}_labels": split.labels for name, split in prepared._asdict().items()}
    _save(prepared, tmp_path / "prepared.safetensors", rows)
    assert (tmp_path / "prepared.safetensors").read_bytes() == save(arrays)


@pytest.mark.parametrize("kept", [0, 5, 100, -1])
def test_torn_file_is_refused_by_name(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "prepared.safetensors"
    _save(_prepared(), path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(UserError, match=r"prepared\.safetensors is no file of prepared data .*dvc repro"):
        load_prepared(path)


def test_foreign_and_missing_files_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "prepared.safetensors"
    with pytest.raises(UserError, match=r"prepared\.safetensors is missing"):
        load_prepared(path)
    save_file({"weights": np.zeros(3)}, path)
    with pytest.raises(UserError, match=r"prepared\.safetensors is no file of prepared data .*train_images"):
        load_prepared(path)
