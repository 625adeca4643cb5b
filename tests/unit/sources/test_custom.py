"""Custom files kept and prepared: each form against arrays that were never a file, each fault by its line."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from builders import plain_idx, tiny_params
from image_folders import encoded, image_tree, picture, write_tree
from mnist_vae.console.stage import UserError
from mnist_vae.data.prepared import Prepared
from mnist_vae.sources.custom import MANIFEST, PACK, keep_custom
from mnist_vae.sources.custom_plan import check_custom
from mnist_vae.sources.manifest import take_stock
from mnist_vae.sources.pack import read_pack, write_pack
from mnist_vae.sources.prepare import resize
from mnist_vae.sources.prepare_custom import CustomData, prepare_custom

SMALL = {"dataset": "custom", "custom_data": "mine", "batch_size": 4, "validation_size": 3, "image_size": 16}
SMALL |= {"interpolation_from": 0, "interpolation_to": 1}


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    (tmp_path / ".dvc" / "tmp").mkdir(parents=True)
    return tmp_path / "mine"


def _keep(mine: Path, **changes: object) -> str:
    params = tiny_params(**SMALL | changes)
    stock = take_stock(mine, "mine", mine.parent / "memory.json")
    return keep_custom(mine, stock, mine.parent / "kept", mine.parent, lambda place: check_custom(place, params))


def _prepare(mine: Path, **changes: object) -> CustomData:
    _keep(mine, **changes)
    return prepare_custom(mine.parent / "kept", tiny_params(**SMALL | changes))


def _complaint(mine: Path, **changes: object) -> str:
    with pytest.raises(UserError) as raised:
        _keep(mine, **changes)
    assert str(raised.value).isprintable()
    return str(raised.value)


def _snapshot(folder: Path) -> dict[str, tuple[bytes, int]]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def _expected(numbers: list[int], size: int = 6) -> np.ndarray:
    return resize(np.stack([picture(number, size, size) for number in numbers])[:, None], 16)


def _numbers(prepared: Prepared, count: int) -> Iterator[list[int]]:
    """Which pictures each split holds."""
    known = {image.tobytes(): number for number, image in enumerate(_expected(list(range(count))))}
    for split in prepared:
        yield [known[image.tobytes()] for image in split.images]


def test_classes_without_a_split_are_shared_out_whole(mine: Path) -> None:
    write_tree(mine, image_tree({"cat": 20, "dog": 10}))
    data = _prepare(mine, test_size=6)
    assert data.class_names == ("cat", "dog")
    splits = list(_numbers(data.prepared, 30))
    assert [len(split) for split in splits] == [21, 3, 6]
    assert sorted(number for split in splits for number in split) == list(range(30))
    of_dogs = {number for number in range(20) if number % 2}  # they take turns until the dogs are out
    for numbers, split in zip(splits, data.prepared, strict=True):
        assert split.labels.tolist() == [int(number in of_dogs) for number in numbers]
    assert np.bincount(data.prepared.test.labels).tolist() == [4, 2]


def test_own_split_stays_and_validation_is_taken_of_the_training_images(mine: Path) -> None:
    train, test = image_tree({"train/a": 8, "train/b": 8}), image_tree({"test/a": 2, "test/b": 2})
    write_tree(mine, train | test)
    data = _prepare(mine)
    train_numbers, validation, test_numbers = _numbers(data.prepared, 16)
    assert test_numbers == [0, 1, 2, 3]
    assert sorted(train_numbers + validation) == list(range(16))
    assert data.prepared.test.labels.tolist() == [0, 1, 0, 1]


def test_images_without_classes_are_taken(mine: Path) -> None:
    write_tree(mine, image_tree({"": 20}))
    data = _prepare(mine, interpolation_from="whatever")
    assert data.class_names == ()
    assert [len(split.images) for split in data.prepared] == [13, 3, 4]
    assert not any(split.labels.any() for split in data.prepared)


IMAGES = np.random.default_rng(7).integers(0, 256, (30, 6, 6)).astype(np.uint8)
LABELS = (np.arange(30) % 3 + 5).astype(np.uint8)  # classes that do not begin at 0


def _idx_files(*, split: bool, labels: bool = True, packed: bool = False) -> dict[str, bytes]:
    parts = {"train": slice(0, 24), "t10k": slice(24, 30)} if split else {"train": slice(0, 30)}
    files = {f"{name}-images-idx3-ubyte": plain_idx(IMAGES[part]) for name, part in parts.items()}
    if labels:
        files |= {f"{name}-labels-idx1-ubyte": plain_idx(LABELS[part]) for name, part in parts.items()}
    return {f"{name}.gz": gzip.compress(content) for name, content in files.items()} if packed else files


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("transpose", [False, True])
def test_four_idx_files_give_their_images_in_order(mine: Path, *, packed: bool, transpose: bool) -> None:
    write_tree(mine, _idx_files(split=True, packed=packed))
    data = _prepare(mine, transpose=transpose)
    assert data.class_names == ("5", "6", "7")
    images = IMAGES.transpose(0, 2, 1) if transpose else IMAGES
    assert np.array_equal(data.prepared.test.images, resize(images[24:, None], 16))
    assert data.prepared.test.labels.tolist() == [0, 1, 2, 0, 1, 2]


def test_idx_files_give_what_the_same_images_as_pngs_do(mine: Path) -> None:
    write_tree(mine, _idx_files(split=True))
    by_idx = _prepare(mine)
    names = [("train" if number < 24 else "test", number) for number in range(30)]
    pngs = {f"{split}/{LABELS[number]}/{number:02}.png": encoded(IMAGES[number]) for split, number in names}
    other = write_tree(mine.parent / "other" / "mine", pngs)
    (other.parent / ".dvc" / "tmp").mkdir(parents=True)
    by_png = _prepare(other)
    assert by_png.class_names == by_idx.class_names
    for one, another in zip(by_idx.prepared, by_png.prepared, strict=True):
        assert np.array_equal(one.images, another.images)
        assert np.array_equal(one.labels, another.labels)


def test_two_idx_files_are_split_and_images_alone_have_no_classes(mine: Path) -> None:
    write_tree(mine, _idx_files(split=False))
    assert np.bincount(_prepare(mine, test_size=6).prepared.test.labels).tolist() == [2, 2, 2]
    (mine / "train-labels-idx1-ubyte").unlink()
    assert _prepare(mine).class_names == ()


def test_emnists_table_names_the_classes(mine: Path) -> None:
    write_tree(mine, _idx_files(split=True) | {"emnist-mapping.txt": b"5 65 97\n6 66\n7 67\n"})
    assert _prepare(mine).class_names == ("A", "B", "C")


def test_three_hundred_classes_are_told_apart(mine: Path) -> None:
    pixel = encoded(picture(0, 1, 1))
    write_tree(mine, {f"c{label:03}/{number}.png": pixel for label in range(300) for number in range(2)})
    data = _prepare(mine, test_size=300)
    assert sorted(data.prepared.test.labels.tolist()) == list(range(300))
    assert data.prepared.test.labels.dtype == np.uint16


@pytest.mark.parametrize(("aspect", "content"), [("pad", 0), ("crop", 200), ("stretch", 200)])
def test_idx_images_that_are_not_square_follow_the_aspect(mine: Path, aspect: str, content: int) -> None:
    write_tree(mine, {"train-images-idx3-ubyte": plain_idx(np.full((20, 4, 16), 200, np.uint8))})
    images = _prepare(mine, aspect=aspect).prepared.test.images
    assert (images[:, :, 0] == content).all()
    assert (images[:, :, 8] == 200).all()


def test_nothing_in_the_folder_changes_and_what_is_kept_is_the_same_bytes_each_time(mine: Path) -> None:
    write_tree(mine, image_tree({"a": 12, "b": 12}))
    before = _snapshot(mine)
    assert _keep(mine) == str(mine)
    first = {path.name: path.read_bytes() for path in (mine.parent / "kept").iterdir()}
    assert sorted(first) == [PACK, MANIFEST]
    (mine.parent / "kept" / MANIFEST).unlink()
    _keep(mine)
    assert {path.name: path.read_bytes() for path in (mine.parent / "kept").iterdir()} == first
    assert _snapshot(mine) == before


def test_kept_images_are_not_read_again(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_tree(mine, image_tree({"a": 12, "b": 12}))
    _keep(mine)
    monkeypatch.setattr("mnist_vae.sources.custom.read_grey", None)
    assert _keep(mine) == "already there"


def test_fault_leaves_what_was_kept_as_it_was(mine: Path) -> None:
    write_tree(mine, image_tree({"a": 12, "b": 12}))
    _keep(mine)
    before = _snapshot(mine.parent / "kept")
    (mine / "a" / "000.png").write_bytes(b"spoilt")
    assert "1 × an image that cannot be read (a/000.png: no PNG" in _complaint(mine)
    assert _snapshot(mine.parent / "kept") == before
    assert list((mine.parent / ".dvc" / "tmp").iterdir()) == []


def test_all_faults_of_the_images_are_counted(mine: Path) -> None:
    whole = encoded(picture(0, 40, 40))
    spoilt = {f"a/x{number}.png": whole[: len(whole) // 2] for number in range(5)} | {"b/none.jpg": b""}
    write_tree(mine, image_tree({"a": 12, "b": 12}) | spoilt)
    complaint = _complaint(mine)
    assert "mine has 6 faults: 6 × an image that cannot be read (a/x0.png: truncated, a/x1.png: " in complaint
    assert complaint.endswith(", ...)")


def test_file_that_changes_while_it_is_read_is_named(mine: Path) -> None:
    write_tree(mine, image_tree({"a": 12, "b": 12}))
    stock = take_stock(mine, "mine", mine.parent / "memory.json")
    (mine / "a" / "000.png").write_bytes(encoded(picture(99)))
    (mine / "b" / "001.png").unlink()
    with pytest.raises(UserError) as raised:
        keep_custom(mine, stock, mine.parent / "kept", mine.parent, lambda _: None)
    assert "1 × a file that changed while it was read: start again (a/000.png)" in str(raised.value)
    assert "1 × a file that cannot be read (b/001.png: No such file or directory)" in str(raised.value)
    assert not (mine.parent / "kept").exists()


REFUSED: dict[str, tuple[dict[str, bytes], dict, str]] = {
    "class of one image": (image_tree({"a": 12, "b": 1}), {}, "1 × a class of one image, which cannot be in both"),
    "class in test alone": (
        image_tree({"train/a": 12}) | image_tree({"test/a": 2, "test/b": 2}),
        {},
        "1 × a class with test images only (b)",
    ),
    "class in train alone": (
        image_tree({"train/a": 12, "train/b": 3}) | image_tree({"test/a": 2}),
        {},
        "1 × a class without test images (b)",
    ),
    "labels that do not fit": (
        {"train-images-idx3-ubyte": plain_idx(IMAGES), "train-labels-idx1-ubyte": plain_idx(LABELS[:-1])},
        {},
        "train-labels-idx1-ubyte holds 29 labels, but there are 30 images",
    ),
    "truncated IDX file": ({"train-images-idx3-ubyte": plain_idx(IMAGES)[:-1]}, {}, "but contains only 1,079"),
    "one test image": (image_tree({"train": 12}) | image_tree({"test": 1}), {}, "there is 1 test image"),
    "too few for a batch": (image_tree({"a": 12, "b": 12}), {"batch_size": 64}, "batch_size is 64"),
    "too much validation": (image_tree({"a": 9, "b": 9}), {"validation_size": 14}, "validation_size is 14"),
    "no validation": (
        image_tree({"a": 9, "b": 9}),
        {"validation_size": 0.01},
        "validation_size is 0.01, which selects 0",
    ),
    "too many components": (image_tree({"a": 9, "b": 9}), {"fitted_components": 50}, "fitted_components is 50"),
    "class of no such name": (
        image_tree({"a": 9, "b": 9}),
        {"interpolation_from": "c"},
        "interpolation_from is 'c', but must be a class: a, b, or its number",
    ),
    "one class twice": (
        image_tree({"a": 9, "b": 9}),
        {"interpolation_from": "b", "interpolation_to": 1},
        "interpolation_from and interpolation_to are both b",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_go_together_is_refused_before_it_is_kept(mine: Path, name: str) -> None:
    contents, changes, says = REFUSED[name]
    write_tree(mine, contents)
    assert says in _complaint(mine, **changes)
    assert not (mine.parent / "kept").exists()


def test_number_of_no_class_is_no_fault(mine: Path) -> None:
    write_tree(mine, image_tree({"a": 9, "b": 9}))
    _keep(mine, interpolation_from=1, interpolation_to=8)


@pytest.mark.parametrize("damage", ["content", "truncated", "missing", "one image less"])
def test_damage_to_what_is_kept_is_named(mine: Path, damage: str) -> None:
    write_tree(mine, image_tree({"a": 9, "b": 9}))
    _keep(mine)
    pack = mine.parent / "kept" / PACK
    content = bytearray(pack.read_bytes())
    content[600] ^= 255
    if damage == "missing":
        pack.unlink()
    elif damage == "one image less":
        write_pack(list(read_pack(pack))[:-1], pack)
    else:
        pack.write_bytes({"content": bytes(content), "truncated": bytes(content[:5000])}[damage])
    with pytest.raises(UserError, match=r"images\.tar.*dvc repro download"):
        prepare_custom(mine.parent / "kept", tiny_params(**SMALL))
