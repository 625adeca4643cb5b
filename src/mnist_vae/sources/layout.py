"""Finding out from the paths alone what a person's folder holds: images by class and split, or IDX files."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from mnist_vae.sources.faults import Faults
from mnist_vae.sources.listing import is_image_name

_IDX = re.compile(r"(?:.*[-_])?(images|labels)[-.]idx[13]-ubyte(?:\.gz)?", re.IGNORECASE)
_IDX_TEST = re.compile(r"(?:.*[-_])?(?:test|t10k)[-_](?:images|labels)[-.].*", re.IGNORECASE)
_MAPPING = re.compile(r".*mapping\.txt", re.IGNORECASE)
_SPLITS = {"train", "test"}


class ImageFile(NamedTuple):
    """An image: its path, the number of its class (0 if there are no classes), and whether it is a test image."""

    path: str
    label: int
    is_test: bool


class ImageLayout(NamedTuple):
    """The class names and the images. Test images come last; within a split, images are sorted by name, then path."""

    class_names: tuple[str, ...]
    has_split: bool
    images: list[ImageFile]


class IdxLayout(NamedTuple):
    """The paths of the IDX files, and of EMNIST's table of the classes' characters. None for a file that is missing."""

    train_images: str
    train_labels: str | None
    test_images: str | None
    test_labels: str | None
    mapping: str | None


def find_layout(files: Sequence[str], place: object) -> ImageLayout | IdxLayout:
    """What the files are. Raises UserError, which names the place, for files that fit neither layout."""
    if any("/" not in path and _IDX.fullmatch(path) for path in files):
        return _idx_layout(files, place)
    return _image_layout(files, place)


def _idx_layout(files: Sequence[str], place: object) -> IdxLayout:
    faults, roles = Faults(), {}
    for path in files:
        match = None if "/" in path else _IDX.fullmatch(path)
        if match:
            role = f"{'test' if _IDX_TEST.fullmatch(path) else 'train'}_{match[1].lower()}"
        elif _MAPPING.fullmatch(path):
            role = "mapping"
        else:
            faults.add("a file that is not an IDX file among IDX files", path)
            continue
        if role in roles:
            faults.add(f"a second file of {role.replace('_', ' ')}", f"{path} beside {roles[role]}")
        roles[role] = path
    if "train_images" not in roles:
        faults.add("no file train-images-idx3-ubyte", "with or without .gz, and with or without a name before train")
    if "test_labels" in roles and "test_images" not in roles:
        faults.add("labels without images", roles["test_labels"])
    if "test_images" in roles and ("test_labels" in roles) != ("train_labels" in roles):
        faults.add("labels for only one of the two splits", roles.get("test_labels") or roles.get("train_labels", ""))
    faults.require_none(place)
    return IdxLayout(roles["train_images"], *(roles.get(name) for name in IdxLayout._fields[1:]))


def _image_layout(files: Sequence[str], place: object) -> ImageLayout:
    faults = Faults()
    images = []
    for path in files:
        if is_image_name(path):
            images.append(path)
        else:
            faults.add("a file that is not an image", path)
    tops = {path.split("/")[0] for path in images if "/" in path}
    has_split = bool(tops) and {top.lower() for top in tops} == _SPLITS
    if not has_split and any(top.lower() == "train" for top in tops):
        faults.add("a folder train, although the folders are not exactly train and test", ", ".join(sorted(tops)))
    depth = 1 if has_split else 0
    classes = {path.split("/")[depth] for path in images if path.count("/") > depth}
    if classes:
        for path in images:
            if path.count("/") <= depth:
                faults.add("an image outside the folders of the classes", path)
    faults.require_none(place)
    names = _ordered(classes)
    labels = {name: number for number, name in enumerate(names)}
    found = [
        ImageFile(path, labels[path.split("/")[depth]] if classes else 0, has_split and path.lower().startswith("test"))
        for path in images
    ]
    # Sorted by file name first: if the files are numbered across all classes, this mixes the classes.
    found.sort(key=lambda file: (file.is_test, file.path.rpartition("/")[2], file.path))
    return ImageLayout(names, has_split, found)


def _ordered(names: set[str]) -> tuple[str, ...]:
    """The names in order: by value if all are numbers, otherwise alphabetically."""
    if all(name.isascii() and name.isdecimal() for name in names):
        return tuple(sorted(names, key=lambda name: (int(name), name)))
    return tuple(sorted(names))
