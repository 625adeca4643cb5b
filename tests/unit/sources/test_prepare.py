import gzip
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from builders import MadeUpData, made_up_data, plain_idx
from mnist_vae.console.stage import UserError
from mnist_vae.data.prepared import Prepared
from mnist_vae.sources import prepare as preparation
from mnist_vae.sources.prepare import prepare, resize


@pytest.fixture
def data() -> MadeUpData:
    return made_up_data()


def _prepare(data: MadeUpData, folder: Path, seed: int = 0, image_size: int = 28, validation_size: int = 8) -> Prepared:
    return prepare(data.dataset, data.write(folder), image_size, validation_size, seed)


def _numbers(images: np.ndarray) -> list[int]:
    """The numbers that the made-up images carry in their first pixels."""
    return images[:, 0, 0, 0].tolist()


@pytest.mark.parametrize("shape", [(28, 28), (8, 8), (28, 20)])
@pytest.mark.parametrize("size", [16, 32, 40, 64])
def test_resize_equals_torchvisions_of_pil_images(shape: tuple[int, int], size: int) -> None:
    from torchvision.transforms import Resize

    images = np.random.default_rng(0).integers(0, 256, (6, 1, *shape)).astype(np.uint8)
    transform = Resize((size, size))
    expected = np.stack([np.asarray(transform(Image.fromarray(image[0])))[None] for image in images])
    assert np.array_equal(resize(images, size), expected)


@pytest.mark.parametrize("images", [1, 4, 7])
def test_result_does_not_depend_on_the_size_of_blocks(monkeypatch: pytest.MonkeyPatch, images: int) -> None:
    several = np.random.default_rng(0).integers(0, 256, (12, 1, 28, 28)).astype(np.uint8)
    whole = resize(several, 16)
    monkeypatch.setattr(preparation, "_IMAGES_A_BLOCK", images)
    assert np.array_equal(resize(several, 16), whole)


def test_resizing_takes_little_memory_beyond_its_images() -> None:
    images = np.zeros((20_000, 1, 16, 16), np.uint8)
    tracemalloc.start()
    resized = resize(images, 32)  # 20 MB
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < resized.nbytes + 4_000_000


def test_splits_are_disjoint_and_complete(tmp_path: Path, data: MadeUpData) -> None:
    prepared = _prepare(data, tmp_path)
    train, validation = _numbers(prepared.train.images), _numbers(prepared.validation.images)
    assert (len(train), len(validation)) == (22, 8)
    assert sorted(train + validation) == list(range(30))
    assert _numbers(prepared.test.images) == list(range(30, 42))


def test_labels_stay_with_their_images(tmp_path: Path, data: MadeUpData) -> None:
    prepared = _prepare(data, tmp_path)
    for split in (prepared.train, prepared.validation):
        numbers = _numbers(split.images)
        assert np.array_equal(split.labels, data.train_labels[numbers])
        assert np.array_equal(split.images[:, 0], data.train_images[numbers])
    assert np.array_equal(prepared.test.labels, data.test_labels)
    assert np.array_equal(prepared.test.images[:, 0], data.test_images)


def test_images_come_in_the_size_asked_for(tmp_path: Path, data: MadeUpData) -> None:
    prepared = _prepare(data, tmp_path, image_size=16)
    assert [split.images.shape for split in prepared] == [(22, 1, 16, 16), (8, 1, 16, 16), (12, 1, 16, 16)]
    assert np.array_equal(prepared.test.images, resize(data.test_images[:, None], 16))


def test_validation_images_are_a_function_of_the_seed(tmp_path: Path, data: MadeUpData) -> None:
    chosen = []
    for seed in (0, 0, 1):
        np.random.seed(len(chosen))  # noqa: NPY002
        chosen.append(set(_numbers(_prepare(data, tmp_path, seed).validation.images)))
    assert chosen[0] == chosen[1] != chosen[2]


def test_choice_of_validation_images_does_not_favour_a_place(tmp_path: Path, data: MadeUpData) -> None:
    times, folder = np.zeros(30), data.write(tmp_path)
    for seed in range(100):
        prepared = prepare(data.dataset, folder, 28, 8, seed)
        times[_numbers(prepared.validation.images)] += 1
    # Each is chosen 100 · 8/30 = 27 times on average, with a standard deviation of 4.4.
    assert np.abs(times - 100 * 8 / 30).max() < 4 * 4.4


@pytest.mark.parametrize("place", range(4))
def test_other_count_is_refused_by_name(tmp_path: Path, data: MadeUpData, place: int) -> None:
    arrays = [data.train_images, data.train_labels, data.test_images, data.test_labels]
    file = data.dataset.files[place]
    data.contents[file.name] = gzip.compress(plain_idx(arrays[place][:-1]))
    _assert_refused(data, tmp_path, rf"{file.name} holds {len(arrays[place]) - 1} items, .* {len(arrays[place])}")


def test_label_that_is_no_class_is_refused_by_name(tmp_path: Path, data: MadeUpData) -> None:
    labels = data.test_labels.copy()
    labels[3] = 10
    data.contents[data.dataset.test_labels.name] = gzip.compress(plain_idx(labels))
    _assert_refused(data, tmp_path, rf"{data.dataset.test_labels.name} contains the label 10")


def test_images_in_place_of_labels_are_refused_by_name(tmp_path: Path, data: MadeUpData) -> None:
    data.contents[data.dataset.train_labels.name] = gzip.compress(plain_idx(data.train_images))
    _assert_refused(data, tmp_path, data.dataset.train_labels.name)


def _assert_refused(data: MadeUpData, folder: Path, pattern: str) -> None:
    with pytest.raises(UserError, match=pattern):
        _prepare(data, folder)
