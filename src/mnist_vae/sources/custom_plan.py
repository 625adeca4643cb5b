"""Which custom images go into which split, and whether the files fit the parameters."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Int, UInt

from mnist_vae.common.params import Params, image_count
from mnist_vae.console.stage import UserError
from mnist_vae.data.prepared import ClassNames, class_number
from mnist_vae.sources.custom import require_kept
from mnist_vae.sources.faults import Faults, printable
from mnist_vae.sources.idx import idx_shape, read_idx
from mnist_vae.sources.layout import IdxLayout, ImageLayout, find_layout
from mnist_vae.sources.splits import choose_test, held_out

_FEWEST_TEST = 2  # the figures need the variance over the test images


class Plan(NamedTuple):
    """The class names, the class of each image, and the indices of the images in each split."""

    class_names: ClassNames
    labels: UInt[np.ndarray, " N"]
    train: Int[np.ndarray, " n"]
    validation: Int[np.ndarray, " m"]
    test: Int[np.ndarray, " k"]


class _Labelled(NamedTuple):
    """The class of each image. The first `train_size` images are for training; None if the files have no split."""

    class_names: ClassNames
    labels: UInt[np.ndarray, " N"]
    train_size: int | None


def plan_custom(kept: Path, params: Params) -> Plan:
    """Assign each image to a split. Raises UserError if the classes and sizes do not allow it."""
    layout = find_layout([*require_kept(kept).md5], kept)
    is_idx = isinstance(layout, IdxLayout)
    class_names, labels, train_size = _idx_labels(kept, layout) if is_idx else _image_labels(layout)
    if train_size is None:
        _require_no_fault(class_names, labels, None)
        test = choose_test(labels, params.test_size, params.seed)
        rest = np.setdiff1d(np.arange(len(labels)), test)
    else:
        _require_no_fault(class_names, labels, train_size)
        rest, test = np.split(np.arange(len(labels)), [train_size])
    count = image_count(params.validation_size, len(rest))
    if not 0 < count < len(rest):
        raise UserError(
            f"validation_size is {params.validation_size}, which selects {count:,} of {len(rest):,} training images: it"
            " must select at least one, and not all"
        )
    if len(test) < _FEWEST_TEST:
        raise UserError(
            f"there is {len(test)} test image, but there must be at least {_FEWEST_TEST}: add images or raise test_size"
        )
    chosen = held_out(len(rest), count, params.seed)
    if complaint := params.complaint_about(len(rest) - count):
        raise UserError(complaint)
    return Plan(class_names, labels, rest[~chosen], rest[chosen], test)


def check_custom(kept: Path, params: Params) -> None:
    """Print a summary of the kept files. Raises UserError if they do not fit the parameters."""
    plan = plan_custom(kept, params)
    names = plan.class_names
    ends = {name: class_number(getattr(params, name), names) for name in ("interpolation_from", "interpolation_to")}
    for name, number in ends.items():
        value = getattr(params, name)
        if number is None and names and isinstance(value, str):
            raise UserError(f"{name} is {value!r}, but must be a class: {_list(names)}, or its number")
    first, second = ends.values()
    if first is not None and first == second:
        raise UserError(f"interpolation_from and interpolation_to are both {names[first]}: choose two classes")
    classes = f"{len(names)} classes ({_list(names)})" if names else "no classes"
    print(f"download: {len(plan.labels):,} images, {len(plan.test):,} of them for the test, in {classes}", flush=True)


def _image_labels(layout: ImageLayout) -> _Labelled:
    labels = np.array([file.label for file in layout.images])
    train_size = sum(not file.is_test for file in layout.images) if layout.has_split else None
    return _Labelled(layout.class_names, _narrow(labels, len(layout.class_names)), train_size)


def _idx_labels(kept: Path, layout: IdxLayout) -> _Labelled:
    sizes = [idx_shape(kept / path, 3)[0] for path in (layout.train_images, layout.test_images) if path]
    train_size = sizes[0] if len(sizes) > 1 else None
    if layout.train_labels is None:
        return _Labelled((), np.zeros(sum(sizes), np.uint8), train_size)
    parts = [read_idx(kept / path, 1) for path in (layout.train_labels, layout.test_labels) if path]
    for path, part, size in zip((layout.train_labels, layout.test_labels), parts, sizes, strict=False):
        if len(part) != size:
            raise UserError(
                f"{path} holds {len(part):,} labels, but there are {size:,} images: the files do not belong together"
            )
    numbers = np.unique(np.concatenate(parts))
    letters = _letters(kept / layout.mapping) if layout.mapping else {}
    names = tuple(letters.get(number, str(number)) for number in numbers.tolist())
    if len(set(names)) < len(names):
        raise UserError(f"{layout.mapping} gives two classes the same name: correct or remove it")
    labels = np.searchsorted(numbers, np.concatenate(parts))
    return _Labelled(names, _narrow(labels, len(names)), train_size)


def _letters(path: Path) -> dict[int, str]:
    """The character of each label in EMNIST's table. Each line of it is a label and one or more character codes."""
    try:
        rows = [line.split() for line in path.read_text("ascii").splitlines() if line.strip()]
        return {int(label): printable(chr(int(code))) for label, code, *_ in rows}
    except (OSError, ValueError, OverflowError) as error:
        raise UserError(f"{path.name} is not a table of labels and characters: {error}") from None


def _list(names: ClassNames) -> str:
    return ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")


def _narrow(labels: np.ndarray, classes: int) -> UInt[np.ndarray, " N"]:
    return labels.astype(np.uint8 if classes <= 1 << 8 else np.uint16)


def _require_no_fault(class_names: ClassNames, labels: UInt[np.ndarray, " N"], train_size: int | None) -> None:
    """Raise UserError for classes that have no image in a split, or too few images to be split."""
    faults, count = Faults(), max(len(class_names), 1)
    in_train = np.bincount(labels[:train_size], minlength=count)
    in_test = np.bincount(labels[len(labels) if train_size is None else train_size :], minlength=count)
    for name, of_train, of_test in zip(class_names or ("images",), in_train.tolist(), in_test.tolist(), strict=True):
        if train_size is None and of_train < 2:
            faults.add("a class of one image, which cannot be in both training and test", name)
        elif of_train == 0:
            faults.add("a class with test images only", name)
        elif train_size is not None and of_test == 0:
            faults.add("a class without test images", name)
    faults.require_none("the data set")
