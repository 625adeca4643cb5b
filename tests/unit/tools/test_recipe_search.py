"""The parts of the search for a recipe that are not of the package."""

import math

import optuna
import pytest
import torch

import recipe_search
import tables
from builders import tiny_images, tiny_params
from mnist_vae.model.autoencoder import build_autoencoder
from mnist_vae.training.loop import TrainingImages
from mnist_vae.training.schedule import scheduled_rate
from places import REPOSITORY
from presets import load_presets
from recipe_search import Recipe, starting_point, suggest, train

IMAGES = TrainingImages(tiny_images(20), tiny_images(7, seed=1))
PARAMS = tiny_params(conv_channels=[8, 8, 16]).of_model()
RECIPE = Recipe(epochs=1, batch_size=20, learning_rate=0.01, rise=0.5, betas=(0.8, 0.95))  # one step


def _weights(recipe: Recipe) -> dict[str, torch.Tensor]:
    return train(PARAMS, IMAGES, recipe).state_dict()


def test_search_begins_with_conv_fast() -> None:
    (fast,) = (preset.params for preset in load_presets(REPOSITORY) if preset.name == "conv-fast")
    recipe = suggest(optuna.trial.FixedTrial(starting_point()))
    assert recipe == Recipe(fast.epochs, fast.batch_size, fast.learning_rate, 0.1, fast.adam_betas)
    for done in range(50):
        rate = scheduled_rate(fast.learning_rate, fast.learning_rate_schedule, done, 50)
        assert recipe.rate(done, 50) == pytest.approx(rate)


def test_trial_whose_loss_is_not_finite_is_far_from_the_target() -> None:
    losses = iter([0.05, math.nan, 0.04])

    def measure(recipe: Recipe) -> dict:
        return {"recipe": recipe._asdict(), "validation loss": next(losses), "seconds": 1.0}

    found = recipe_search._search(measure, 3, target=0.044)
    assert [trial["validation loss"] for trial in found] == [0.05, 1e9, 0.04]


def test_rate_rises_to_the_learning_rate_and_falls_to_nearly_nothing() -> None:
    rates = [RECIPE._replace(rise=0.25).rate(done, 100) for done in range(100)]
    assert max(rates) == pytest.approx(0.01)
    assert rates.index(max(rates)) in (24, 25)
    assert rates[:24] == sorted(rates[:24])
    assert rates[25:] == sorted(rates[25:], reverse=True)
    assert rates[-1] == pytest.approx(0.01 / 75)


@pytest.mark.parametrize("shape", [(8, 128), (16, 8), (5, 5)])
def test_muons_change_is_nearly_orthogonal_in_the_directions_of_the_momentum(shape: tuple[int, int]) -> None:
    momentum = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    change = recipe_search._orthogonal(momentum)
    assert change.shape == momentum.shape
    left, _, right = torch.linalg.svd(momentum.double(), full_matrices=False)
    assert (torch.linalg.svdvals(change.double()) - 1).abs().max() < 0.5
    sizes = (left.T @ change.double() @ right.T).diagonal()
    assert sizes.min() > 0.4


def test_last_epoch_of_a_recipe_takes_a_part_of_the_images(monkeypatch: pytest.MonkeyPatch) -> None:
    rates = []
    monkeypatch.setattr(recipe_search.Adam, "set_rate", lambda _, rate: rates.append(rate))
    recipe = RECIPE._replace(epochs=1.6, batch_size=8)
    train(PARAMS, IMAGES, recipe)
    assert rates == [recipe.rate(done, 5) for done in range(5)]  # batches of 8, 8, 4; then of 8 and 4


def test_only_weights_of_inner_convolutions_are_muons() -> None:
    adam, muon = _weights(RECIPE), _weights(RECIPE._replace(muon=2.0))
    different = [name for name in adam if not torch.equal(adam[name], muon[name])]
    shapes = [tuple(adam[name].shape[:2]) for name in different]
    assert shapes == [(8, 8), (16, 8), (16, 8), (8, 8)]


def test_average_of_one_step_lies_between_the_weights_before_and_after() -> None:
    before, after = build_autoencoder(PARAMS).state_dict(), _weights(RECIPE)
    for name, tensor in _weights(RECIPE._replace(average=0.9)).items():
        if tensor.is_floating_point():
            torch.testing.assert_close(tensor, 0.9 * before[name] + 0.1 * after[name])


def test_table_has_the_lowest_loss_and_the_fewest_seconds_to_the_target_of_each_kind() -> None:
    def trial(loss: float, seconds: float, **changes: float) -> dict:
        return {"recipe": RECIPE._asdict() | changes, "validation loss": loss, "seconds": seconds}

    trials = [trial(0.0439, 13.0, epochs=2), trial(0.043, 14.0), trial(0.0438, 9.0, epochs=1.5)]
    trials += [trial(0.05, 7.0, muon=2.0), trial(0.04, 8.0, epochs=1.55, average=0.9, muon=4.0)]
    repeats = [[trial(0.0439, 13.0, epochs=2), trial(0.0441, 15.2, epochs=2)]]
    lines = tables.recipe_search({"target": 0.044, "trials": trials, "repeats": repeats})
    assert lines[0].endswith("| fewest seconds to 0.044 |")
    assert lines[-1].startswith("| epochs 2, batch_size 20, learning_rate 0.01, rise 0.5, betas 0.8 and 0.95, ")
    assert lines[-1].endswith(" | 0.04400 | 13.0, 15.2 |")
    assert lines[2:6] == [
        "| the preset conv-fast, the first trial | 1 | 0.04390 | 13.0 | 13.0 |",
        "| 1 to 1.5 epochs, Adam | 2 | 0.04300 | 14.0 | 9.0 |",
        "| 1 to 1.5 epochs, Muon | 1 | 0.05000 | 7.0 | not reached |",
        "| more than 1.5 epochs, Muon, averaged weights | 1 | 0.04000 | 8.0 | 8.0 |",
    ]
