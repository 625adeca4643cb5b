import hashlib
from pathlib import Path

import numpy as np

from mnist_vae.common.catalogue import DATASETS
from mnist_vae.sources.bundled import digits_files
from mnist_vae.sources.idx import read_idx


def test_digits_are_the_four_files_of_the_table() -> None:
    made = {file.name: hashlib.md5(file.content).hexdigest() for file in digits_files()}
    assert made == {file.name: file.md5 for file in DATASETS["digits"].files}


def test_each_image_is_the_bundled_one(tmp_path: Path) -> None:
    from sklearn.datasets import load_digits

    for file in digits_files():
        (tmp_path / file.name).write_bytes(file.content)
    pixels, classes = load_digits(return_X_y=True)
    dataset = DATASETS["digits"]
    train = _items(tmp_path, dataset.train_images.name, dataset.train_labels.name)
    test = _items(tmp_path, dataset.test_images.name, dataset.test_labels.name)
    assert (len(train), len(test)) == (dataset.train_size, dataset.test_size)
    for number, (row, label) in enumerate(zip(np.asarray(pixels).tolist(), classes, strict=True)):
        image, found = (test if number % 5 == 0 else train).pop(0)
        # A grey level of 0..16 is found again in 0..255, whose ends are black and white.
        assert [round(level * 16 / 255) for level in image.flatten().tolist()] == row
        assert (0 in row, 16 in row) == (0 in image, 255 in image)
        assert found == label
    assert train == test == []


def _items(folder: Path, images: str, labels: str) -> list[tuple[np.ndarray, int]]:
    return list(zip(read_idx(folder / images, 3), read_idx(folder / labels, 1).tolist(), strict=True))
