"""From the original files to the prepared splits: reading, resizing, setting validation images aside."""

from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from mnist_vae.datasets import Dataset, SourceFile
from mnist_vae.idx import read_idx
from mnist_vae.prepared import Prepared, Split
from mnist_vae.randomness import derived_seed
from mnist_vae.stage import StageError

_IMAGES_A_BLOCK = 10_000  # bounds the memory, not the result


def prepare(dataset: Dataset, folder: Path, image_size: int, validation_size: int, seed: int) -> Prepared:
    """The data set's splits, resized to image_size × image_size. Raises StageError for files that are not its own."""
    train = _read(folder, dataset.train_images, dataset.train_labels, dataset.train_size)
    test = _read(folder, dataset.test_images, dataset.test_labels, dataset.test_size)
    order = np.random.default_rng(derived_seed(seed, "validation split")).permutation(dataset.train_size)
    held_out, kept = np.sort(order[:validation_size]), np.sort(order[validation_size:])
    train = Split(resize(train.images, image_size), train.labels)
    return Prepared(
        train=Split(train.images[kept], train.labels[kept]),
        validation=Split(train.images[held_out], train.labels[held_out]),
        test=Split(resize(test.images, image_size), test.labels),
    )


def resize(images: UInt8[np.ndarray, "N 1 H W"], size: int) -> UInt8[np.ndarray, "N 1 {size} {size}"]:
    """Each image as Pillow's antialiased bilinear resize gives it, to the bit.

    Pillow resizes rows first, then columns, rounding in between, and treats each row alone. So one call resizes the
    rows of thousands of images lying on top of each other, and a second one, on the transposed images, their columns.
    """
    resized = np.empty((len(images), 1, size, size), np.uint8)
    for start in range(0, len(images), _IMAGES_A_BLOCK):
        block = images[start : start + _IMAGES_A_BLOCK, 0]  # (n, H, W)
        block = _resize_rows(block, size)  # (n, H, size)
        block = _resize_rows(block.transpose(0, 2, 1), size)  # (n, size, size), transposed
        resized[start : start + _IMAGES_A_BLOCK, 0] = block.transpose(0, 2, 1)
    return resized


def _resize_rows(images: UInt8[np.ndarray, "n rows W"], size: int) -> UInt8[np.ndarray, "n rows {size}"]:
    count, rows, width = images.shape
    tall = Image.fromarray(images.reshape(count * rows, width))
    return np.asarray(tall.resize((size, count * rows), Image.Resampling.BILINEAR)).reshape(count, rows, size)


def _read(folder: Path, images_file: SourceFile, labels_file: SourceFile, size: int) -> Split:
    images = read_idx(folder / images_file.name, dimensions=3)
    labels = read_idx(folder / labels_file.name, dimensions=1)
    for file, count in (images_file, len(images)), (labels_file, len(labels)):
        if count != size:
            raise StageError(f"{folder / file.name} holds {count} items, but this data set has {size}")
    if labels.max() > 9:
        raise StageError(f"{folder / labels_file.name} holds the label {labels.max()}, but the classes are 0 to 9")
    return Split(images[:, np.newaxis], labels)
