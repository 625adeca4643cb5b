import numpy as np
import pytest

from mnist_vae.console.stage import UserError
from mnist_vae.sources.splits import choose_test, held_out

LABELS = np.repeat(np.arange(3), [60, 30, 10]).astype(np.uint8)


@pytest.mark.parametrize(("seed", "chosen"), [(0, [0, 12, 17, 18, 19]), (1, [2, 6, 11, 12, 15])])
def test_validation_images_are_those_that_the_seed_has_always_meant(seed: int, chosen: list[int]) -> None:
    assert np.flatnonzero(held_out(20, 5, seed)).tolist() == chosen


@pytest.mark.parametrize(("size", "of_each"), [(0.2, [12, 6, 2]), (20, [12, 6, 2]), (3, [1, 1, 1]), (97, [59, 29, 9])])
def test_each_class_gives_its_share(size: float, of_each: list[int]) -> None:
    chosen = choose_test(LABELS, size, seed=0)
    assert np.bincount(LABELS[chosen]).tolist() == of_each
    assert len(set(chosen.tolist())) == len(chosen)


@pytest.mark.parametrize("size", [10, 11, 33, 50, 71, 0.137])
def test_sizes_that_do_not_divide_are_met_within_one_image_a_class(size: float) -> None:
    wanted = size if isinstance(size, int) else round(size * 100)
    counts = np.bincount(LABELS[choose_test(LABELS, size, seed=1)])
    assert counts.sum() == wanted
    assert (np.abs(counts - np.array([0.6, 0.3, 0.1]) * wanted) <= 1).all()


def test_choice_is_a_function_of_the_seed() -> None:
    first, again, other = (choose_test(LABELS, 20, seed).tolist() for seed in (0, 0, 1))
    assert first == again
    assert sorted(first) != sorted(other)


@pytest.mark.parametrize("size", [2, 98, 0.001])
def test_size_that_leaves_a_class_without_images_is_refused(size: float) -> None:
    with pytest.raises(UserError, match="3 classes it must be from 3 to 97"):
        choose_test(LABELS, size, seed=0)
