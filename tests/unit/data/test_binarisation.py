import numpy as np
import pytest
import torch

from builders import tiny_images, tiny_labels
from mnist_vae.data import binarisation
from mnist_vae.data.binarisation import binarise, draw_bits
from mnist_vae.data.prepared import Prepared, Split

IMAGES = tiny_images(30).numpy()
PREPARED = Prepared(*(Split(tiny_images(n, seed=n).numpy(), tiny_labels(n)) for n in (20, 12, 15)))


@pytest.mark.parametrize("level", [0, 1, 64, 127, 254, 255])
def test_pixel_is_white_with_the_probability_of_its_grey_level(level: int) -> None:
    pixels = 1_000_000
    bits = draw_bits(np.full((1000, 1, 25, 40), level, np.uint8), 0, "test")
    assert set(np.unique(bits)) <= {0, 255}
    probability = level / 255
    deviation = (probability * (1 - probability) / pixels) ** 0.5
    # Of a probability of level / 256, or one rounded at a half, these are more than five deviations away.
    assert (bits == 255).mean() == pytest.approx(probability, abs=4 * deviation)


def test_neighbours_are_drawn_independently() -> None:
    bits = draw_bits(np.full((2000, 1, 16, 16), 127, np.uint8), 0, "test") == 255
    for shifted in (np.roll(bits, 1, axis=0), np.roll(bits, 1, axis=2), np.roll(bits, 1, axis=3)):
        assert (bits == shifted).mean() == pytest.approx(0.5, abs=4 * 0.5 / bits.size**0.5)


def test_bits_are_a_function_of_seed_purpose_epoch_and_place() -> None:
    first = draw_bits(IMAGES, 3, "train", 2)
    np.random.default_rng(0).random(5)
    torch.rand(5)
    assert np.array_equal(draw_bits(IMAGES.copy(), 3, "train", 2), first)
    for other in (draw_bits(IMAGES, 4, "train", 2), draw_bits(IMAGES, 3, "test", 2), draw_bits(IMAGES, 3, "train", 1)):
        assert not np.array_equal(other, first)
    same = np.repeat(IMAGES[:1], 30, axis=0)
    assert len(np.unique(draw_bits(same, 3, "train"), axis=0)) == 30


def test_bits_of_an_image_do_not_depend_on_later_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binarisation, "_IMAGES_A_BLOCK", 10)
    assert np.array_equal(draw_bits(IMAGES, 0, "train")[:20], draw_bits(IMAGES[:20], 0, "train"))


@pytest.mark.parametrize(
    ("name", "drawn"),
    [("none", ()), ("larochelle", ()), ("dynamic", ("validation", "test")), ("fixed", ("train", "validation", "test"))],
)
def test_each_binarisation_draws_once_the_splits_that_it_says(name: str, drawn: tuple[str, ...]) -> None:
    found = binarise(PREPARED, name, seed=5)
    for split, before in PREPARED._asdict().items():
        after = getattr(found, split)
        assert np.array_equal(after.labels, before.labels)
        if split in drawn:
            assert set(np.unique(after.images)) == {0, 255}
            assert np.array_equal(after.images, draw_bits(before.images, 5, split))
        else:
            assert np.array_equal(after.images, before.images)


def test_bits_of_the_test_images_are_the_same_for_dynamic_and_fixed() -> None:
    dynamic, fixed = (binarise(PREPARED, name, seed=5) for name in ("dynamic", "fixed"))
    assert np.array_equal(dynamic.test.images, fixed.test.images)
