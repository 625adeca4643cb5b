"""From the original files to the prepared splits: reading, resizing, and choosing validation images."""

from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from mnist_vae.common.catalogue import DIGITS, Dataset, SourceFile
from mnist_vae.console.stage import UserError
from mnist_vae.data.prepared import Prepared, Split
from mnist_vae.sources.idx import read_idx
from mnist_vae.sources.splits import held_out

_IMAGES_A_BLOCK = 1000  # bounds the memory of resizing, not its result


def prepare(dataset: Dataset, folder: Path, image_size: int, validation_size: int, seed: int) -> Prepared:
    """The data set's splits, resized to image_size × image_size.

    Raises UserError if the original files are not this data set's.
    """
    train = _read(folder, dataset.train_images, dataset.train_labels, dataset.train_size)
    test = _read(folder, dataset.test_images, dataset.test_labels, dataset.test_size)
    chosen = held_out(dataset.train_size, validation_size, seed)
    return Prepared(
        Split(resize(train.images[~chosen], image_size), train.labels[~chosen]),
        Split(resize(train.images[chosen], image_size), train.labels[chosen]),
        Split(resize(test.images, image_size), test.labels),
    )


def resize(images: UInt8[np.ndarray, "N 1 H W"], size: int) -> UInt8[np.ndarray, "N 1 {size} {size}"]:
    """Resize each image exactly as Pillow's antialiased bilinear resize does, bit for bit.

    Pillow resizes the rows, rounds, and then resizes the columns. It treats each row independently. Therefore one call
    resizes the rows of many images that are stacked into one tall image, and a second call on the transposed images
    resizes their columns.
    """
    resized = np.empty((len(images), 1, size, size), np.uint8)
    for start in range(0, len(images), _IMAGES_A_BLOCK):
        block = slice(start, start + _IMAGES_A_BLOCK)
        rows = _resize_rows(images[block, 0], size)  # (n, H, size)
        resized[block, 0] = _resize_rows(rows.transpose(0, 2, 1), size).transpose(0, 2, 1)
    return resized


def _resize_rows(images: UInt8[np.ndarray, "n rows W"], size: int) -> UInt8[np.ndarray, "n rows {size}"]:
    count, rows, width = images.shape
    tall = Image.fromarray(images.reshape(count * rows, width))
    return np.asarray(tall.resize((size, count * rows), Image.Resampling.BILINEAR)).reshape(count, rows, size)


def _read(folder: Path, images_file: SourceFile, labels_file: SourceFile, size: int) -> Split:
    images_path, labels_path = images_file.find(folder), labels_file.find(folder)
    images, labels = read_idx(images_path, 3), read_idx(labels_path, 1)
    for path, array in (images_path, images), (labels_path, labels):
        if len(array) != size:
            raise UserError(f"{path} holds {len(array)} items, but this data set has {size}")
    if labels.max() >= len(DIGITS):
        raise UserError(f"{labels_path} contains the label {labels.max()}, but the classes are 0 to {len(DIGITS) - 1}")
    return Split(images[:, np.newaxis], labels)
