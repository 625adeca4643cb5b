"""From the original files to the prepared splits: reading, resizing, setting validation images aside, in blocks."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image

from mnist_vae.common.catalogue import Dataset, SourceFile
from mnist_vae.common.seeds import derived_seed
from mnist_vae.console.stage import UserError
from mnist_vae.data.prepared import Prepared, Sizes, Split, load_prepared, new_prepared
from mnist_vae.sources.idx import idx_blocks, idx_shape, read_idx

_BYTES_A_BLOCK = 1 << 20  # of resized images; bounds the memory, not the result


def prepare(
    dataset: Dataset, folder: Path, image_size: int, validation_size: int, seed: int, prepared_path: Path
) -> Prepared:
    """Write the data set's splits, resized to image_size × image_size, into a file, and map it.

    A block of images is in memory at a time. Raises UserError, and leaves the file as it was, for original files that
    are not the data set's own.
    """
    train_labels = _read_labels(folder, dataset.train_images, dataset.train_labels, dataset.train_size)
    test_labels = _read_labels(folder, dataset.test_images, dataset.test_labels, dataset.test_size)
    held_out = _held_out(dataset.train_size, validation_size, seed)
    sizes = Sizes(int((~held_out).sum()), int(held_out.sum()), dataset.test_size)
    with new_prepared(prepared_path, sizes, image_size) as splits:
        start = 0
        for block in _resized(folder / dataset.train_images.name, train_labels, image_size):
            aside = held_out[start : start + len(block.labels)]
            splits.append("train", Split(block.images[~aside], block.labels[~aside]))
            splits.append("validation", Split(block.images[aside], block.labels[aside]))
            start += len(block.labels)
        for block in _resized(folder / dataset.test_images.name, test_labels, image_size):
            splits.append("test", block)
    return load_prepared(prepared_path)


def resize(images: UInt8[np.ndarray, "N 1 H W"], size: int) -> UInt8[np.ndarray, "N 1 {size} {size}"]:
    """Each image as Pillow's antialiased bilinear resize gives it, to the bit.

    Pillow resizes rows first, then columns, rounding in between, and treats each row alone. So one call resizes the
    rows of thousands of images lying on top of each other, and a second one, on the transposed images, their columns.
    """
    block = _resize_rows(images[:, 0], size)  # (N, H, size)
    block = _resize_rows(block.transpose(0, 2, 1), size)  # (N, size, size), transposed
    return block.transpose(0, 2, 1)[:, np.newaxis]


def _resize_rows(images: UInt8[np.ndarray, "n rows W"], size: int) -> UInt8[np.ndarray, "n rows {size}"]:
    count, rows, width = images.shape
    tall = Image.fromarray(images.reshape(count * rows, width))
    return np.asarray(tall.resize((size, count * rows), Image.Resampling.BILINEAR)).reshape(count, rows, size)


def _resized(images_path: Path, labels: UInt8[np.ndarray, " N"], image_size: int) -> Iterator[Split]:
    images_a_block, start = max(1, _BYTES_A_BLOCK // image_size**2), 0
    for images in idx_blocks(images_path, 3, images_a_block):
        end = start + len(images)
        yield Split(resize(images[:, np.newaxis], image_size), labels[start:end])
        start = end


def _held_out(count: int, validation_size: int, seed: int) -> Bool[np.ndarray, " {count}"]:
    """Which of the training images are set aside for validation."""
    order = np.random.default_rng(derived_seed(seed, "validation split")).permutation(count)
    held_out = np.zeros(count, bool)
    held_out[order[:validation_size]] = True
    return held_out


def _read_labels(
    folder: Path, images_file: SourceFile, labels_file: SourceFile, size: int
) -> UInt8[np.ndarray, " {size}"]:
    for file, dimensions in (images_file, 3), (labels_file, 1):
        count = idx_shape(folder / file.name, dimensions)[0]
        if count != size:
            raise UserError(f"{folder / file.name} holds {count} items, but this data set has {size}")
    labels = read_idx(folder / labels_file.name, 1)
    if labels.max() > 9:
        raise UserError(f"{folder / labels_file.name} holds the label {labels.max()}, but the classes are 0 to 9")
    return labels
