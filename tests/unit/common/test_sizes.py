"""Sizes of splits as numbers or shares, and parameters of custom images."""

import pytest
from pydantic import ValidationError

from builders import tiny_params
from mnist_vae.common.params import image_count, load_params
from mnist_vae.common.paths import PARAMS


@pytest.mark.parametrize(
    ("size", "count", "images"), [(5000, 60_000, 5000), (0.08333, 60_000, 5000), (0.5, 9, 4), (0.2, 1797, 359)]
)
def test_size_is_a_number_or_a_share(size: float, count: int, images: int) -> None:
    assert image_count(size, count) == images


def test_share_and_equal_number_give_the_same_model_parameters() -> None:
    number = tiny_params(validation_size=144).of_model()
    assert tiny_params(validation_size=0.1).of_model() == number
    assert number.train_size == 1437 - 144


def test_share_of_custom_images_stays_a_share() -> None:
    params = tiny_params(dataset="custom", custom_data="mine", validation_size=0.1)
    assert params.of_model().validation_size == 0.1
    assert params.of_model().train_size is None


@pytest.mark.parametrize("dataset", ["mnist", "fashion-mnist", "kmnist", "digits"])
def test_committed_parameters_suit_every_data_set(dataset: str) -> None:
    params = load_params(PARAMS).model_copy(update={"dataset": dataset})
    again = type(params).model_validate(params.model_dump())
    assert again.of_model().validation_size == (120 if dataset == "digits" else 5000)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"dataset": "custom"}, "custom_data is empty: name your folder"),
        ({"custom_data": "a\nb"}, "custom_data is 'a\\nb'"),
        ({"validation_size": 0.0001}, "validation_size is 0.0001, which selects no image of digits"),
        ({"interpolation_from": "cat"}, "interpolation_from is 'cat', but must be a class of digits, from 0 to 9"),
        ({"interpolation_to": 10}, "interpolation_to is 10, but must be a class of digits, from 0 to 9"),
    ],
)
def test_impossible_size_is_refused(changes: dict, says: str) -> None:
    with pytest.raises(ValidationError) as raised:
        tiny_params(**changes)
    assert says in str(raised.value)


def test_classes_of_custom_images_may_have_any_name_or_number() -> None:
    tiny_params(dataset="custom", custom_data="mine", interpolation_from="cat", interpolation_to=299)
