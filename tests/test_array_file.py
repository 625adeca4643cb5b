from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save, save_file

from mnist_vae.data.array_file import ArrayKind, map_arrays, new_arrays

RANDOM = np.random.default_rng(0)
ARRAYS = {
    "mean": RANDOM.standard_normal((5, 3)).astype(np.float32),
    "labels": np.arange(5, dtype=np.uint8),
    "kl": RANDOM.standard_normal((5, 3)).astype(np.float32),
    "images": RANDOM.integers(0, 256, (7, 1, 2, 2)).astype(np.uint8),
    "é": np.zeros((0, 4), np.float32),
}
KINDS = {name: ArrayKind(array.dtype, array.shape) for name, array in ARRAYS.items()}


@pytest.mark.parametrize("rows", [1, 2, 10])
def test_bytes_are_those_of_safetensors_own_save(tmp_path: Path, rows: int) -> None:
    with new_arrays(tmp_path / "file", KINDS) as file:
        for start in range(0, 7, rows):
            for name, array in ARRAYS.items():
                file.append(name, array[start : start + rows])
    assert (tmp_path / "file").read_bytes() == save(ARRAYS)


def test_mapped_arrays_are_those_that_safetensors_saved(tmp_path: Path) -> None:
    save_file(ARRAYS | {"other": np.zeros(3)}, tmp_path / "file", {"made by": "a test"})
    found = map_arrays(tmp_path / "file")
    assert found.keys() == ARRAYS.keys()  # what is of another type is left out
    for name, array in ARRAYS.items():
        assert found[name].dtype == array.dtype
        assert np.array_equal(found[name], array)


def test_mapped_arrays_cannot_be_written_to_and_outlive_their_file(tmp_path: Path) -> None:
    save_file(ARRAYS, tmp_path / "file")
    images = map_arrays(tmp_path / "file")["images"]
    with pytest.raises(ValueError, match="read-only"):
        images[0] = 0
    (tmp_path / "file").unlink()
    assert np.array_equal(images, ARRAYS["images"])


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        (np.zeros((4, 2), np.uint8), "array lacks 2 bytes"),
        (np.zeros((6, 2), np.uint8), "array takes no rows"),
        (np.zeros((5, 3), np.uint8), "array takes no rows"),
        (np.zeros((5, 2), np.float32), "array takes no rows"),
    ],
    ids=["too few", "too many", "too long", "of another type"],
)
def test_rows_other_than_announced_leave_the_former_file(tmp_path: Path, rows: np.ndarray, complaint: str) -> None:
    (tmp_path / "file").write_bytes(b"former")
    kinds = {"array": ArrayKind(np.dtype(np.uint8), (5, 2))}
    with pytest.raises(ValueError, match=complaint), new_arrays(tmp_path / "file", kinds) as file:
        file.append("array", rows)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"former"]
