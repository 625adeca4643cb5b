"""A search for the recipe that reaches a loss of the validation images in the fewest seconds, without the test images.

Each trial trains the network and the loss of params.yaml. Optuna chooses the epochs, the batch, the learning rate and
its rise, the betas, an average of the weights, and Adam alone or with Muon for the convolutions. The last two are not
parameters of the pipeline: what they would gain is measured here. The first trial is the preset conv-fast.
"""

import math
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, cast

import optuna
import torch
from torch import Tensor, nn

from measure import ROOT, command_line, measured_on, run, save
from mnist_vae.common import paths
from mnist_vae.common.device import bound_threads, find_device, place, start_threads
from mnist_vae.common.params import ModelParams, load_params
from mnist_vae.data.prepared import load_prepared
from mnist_vae.model.autoencoder import Autoencoder, build_autoencoder
from mnist_vae.training.adam import Adam
from mnist_vae.training.loop import TrainingImages, validate

sys.path.append(str(ROOT / "tools"))

from presets import load_presets

_EPSILON = 1e-8
_MOMENTUM, _ITERATION, _ITERATIONS = 0.9, (3.4445, -4.7750, 2.0315), 5
_FAR = 1e9  # a loss that is not finite
_RISE = 0.1  # of learning_rate_schedule: one_cycle
_DIMENSIONS, _FEWEST, _MOST = 4, 8, 40_000  # dimensions, channels and numbers of a weight that Muon may change


class Recipe(NamedTuple):
    """What a trial trains with. `average` is the decay of the weights' moving average, 0 for none.

    `muon` is the size of Muon's steps as a multiple of the learning rate, 0 for Adam alone.
    """

    epochs: float
    batch_size: int
    learning_rate: float
    rise: float
    betas: tuple[float, float]
    average: float = 0.0
    muon: float = 0.0

    def rate(self, done: int, steps: int) -> float:
        """The learning rate of the next of all steps: it rises linearly, then falls linearly to 0."""
        left = 1 - done / steps
        return self.learning_rate * min((done + 1) / steps / self.rise, left / (1 - self.rise), 1.0)


class Muon:
    """Momentum made orthogonal by Newton-Schulz iterations (Jordan et al. 2024), for weights taken as matrices."""

    def __init__(self, weights: Iterable[nn.Parameter], size: float):
        self._weights, self._size = list(weights), size
        self._momenta = [torch.zeros_like(weight) for weight in self._weights]

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Change the weights by their gradients, and forget these."""
        for weight, momentum in zip(self._weights, self._momenta, strict=True):
            gradient = cast("Tensor", weight.grad)
            momentum.lerp_(gradient, 1 - _MOMENTUM)
            change = _orthogonal(gradient.lerp(momentum, _MOMENTUM).flatten(1))
            scale = max(1.0, change.shape[0] / change.shape[1]) ** 0.5
            weight.add_(change.view_as(weight), alpha=-rate * self._size * scale)
            weight.grad = None


def _orthogonal(matrix: Tensor) -> Tensor:
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    wide = wide / (wide.norm() + _EPSILON)
    first, second, third = _ITERATION
    for _ in range(_ITERATIONS):
        square = wide @ wide.T
        wide = first * wide + (second * square + third * square @ square) @ wide
    return wide if matrix.shape[0] <= matrix.shape[1] else wide.T


def train(params: ModelParams, images: TrainingImages, recipe: Recipe) -> Autoencoder:
    """Train the network of the parameters by a recipe. The model has the averaged weights if the recipe averages.

    The package's `fit` has neither Muon nor an average, nor another rise of the rate, so this is a loop of its own.
    """
    device = images.train.device
    model = build_autoencoder(params).to(device).train()
    for_muon = [weight for weight in model.parameters() if recipe.muon and _may_use_muon(weight)]
    chosen = {id(weight) for weight in for_muon}
    others = (weight for weight in model.parameters() if id(weight) not in chosen)
    adam, muon = Adam(others, recipe.learning_rate, recipe.betas, _EPSILON), Muon(for_muon, recipe.muon)
    # The weights, and the means and variances of batch norm.
    averaged = [tensor for tensor in model.state_dict().values() if tensor.is_floating_point() and recipe.average]
    averages = [tensor.clone() for tensor in averaged]
    random = torch.Generator(device).manual_seed(params.seed)
    sizes = params.model_copy(update={"epochs": recipe.epochs, "batch_size": recipe.batch_size})
    steps, done = sum(sizes.steps_of_epochs(len(images.train))), 0
    for count in sizes.images_of_epochs(len(images.train)):
        order = torch.randperm(len(images.train), generator=random, device=device)[:count]
        for batch in order.split(recipe.batch_size):
            noise = torch.randn(len(batch), params.latent_dim, generator=random, device=device)
            rate = recipe.rate(done, steps)
            adam.set_rate(rate)
            adam.zero_grad()
            model.terms(images.train[batch], noise).loss.mean().backward()
            adam.step()
            muon.step(rate)
            for average, tensor in zip(averages, averaged, strict=True):
                average.lerp_(tensor, 1 - recipe.average)
            done += 1
    for average, tensor in zip(averages, averaged, strict=True):
        tensor.copy_(average)
    return model


def _may_use_muon(weight: nn.Parameter) -> bool:
    """Whether it is of an inner convolution. For the large layers, Muon's iterations take longer than the step."""
    return weight.ndim == _DIMENSIONS and min(weight.shape[:2]) >= _FEWEST and weight.numel() <= _MOST


def suggest(trial: optuna.trial.BaseTrial) -> Recipe:
    """A recipe of the space that is searched."""
    return Recipe(
        epochs=trial.suggest_float("epochs", 1, 2, step=0.05),
        batch_size=trial.suggest_int("batch_size", 64, 256, step=32),
        learning_rate=trial.suggest_float("learning_rate", 0.003, 0.02, log=True),
        rise=trial.suggest_float("rise", 0.05, 0.3),
        betas=(trial.suggest_float("beta1", 0.6, 0.9), trial.suggest_float("beta2", 0.9, 0.99)),
        average=trial.suggest_categorical("average", [0.0, 0.9, 0.98]),
        muon=trial.suggest_categorical("muon", [0.0, 2.0, 4.0]),
    )


def main() -> None:
    """Search, train conv-fast and the fastest recipe that reaches the target with several seeds, and write all."""
    parser = command_line(__doc__, "recipe_search")
    parser.add_argument("--trials", type=int, default=30, help="trials of the search")
    parser.add_argument("--target", type=float, default=0.044, help="validation loss to be reached")
    parser.add_argument("--seeds", type=int, default=3, help="the seeds of the last trainings are 0, 1, 2, ...")
    asked = parser.parse_args()
    params = load_params(paths.PARAMS).of_model()
    measured, threads, device = measured_on(params), start_threads(), find_device(params.device)
    prepared = load_prepared(paths.PREPARED)
    images = TrainingImages(*(place(split.images, device) for split in (prepared.train, prepared.validation)))

    def measure(recipe: Recipe, seed: int = params.seed, images: TrainingImages = images) -> dict:
        start = time.perf_counter()
        with bound_threads(threads):
            model = train(params.model_copy(update={"seed": seed}), images, recipe)
            loss = float(validate(model, images.validation).loss)
        seconds = time.perf_counter() - start
        print(f"recipe_search: {loss:.5f} after {seconds:.1f} s: {recipe}", flush=True)
        return {"recipe": recipe._asdict(), "seed": seed, "validation loss": loss, "seconds": round(seconds, 2)}

    conv_fast = suggest(optuna.trial.FixedTrial(starting_point()))
    measure(conv_fast, images=TrainingImages(images.train[:2000], images.validation))  # torch's first steps are slow
    trials = _search(measure, asked.trials, asked.target)
    reached = [trial for trial in trials[1:] if trial["validation loss"] <= asked.target]
    finalists = [trials[0], *sorted(reached, key=lambda trial: trial["seconds"])[:1]]
    repeats = [[measure(Recipe(**finalist["recipe"]), seed) for seed in range(asked.seeds)] for finalist in finalists]
    save({**measured, "target": asked.target, "trials": trials, "repeats": repeats}, asked.result)


def _search(measure: Callable[[Recipe], dict], count: int, target: float) -> list[dict]:
    """The trials, of which the first is conv-fast. A trial whose loss is not finite counts as far from the target."""
    trials = []

    def objective(trial: optuna.Trial) -> float:
        trials.append(measure(suggest(trial)))
        loss = trials[-1]["validation loss"]
        trial.set_constraint("over the target", loss - target if math.isfinite(loss) else _FAR)
        if not math.isfinite(loss):
            trials[-1]["validation loss"] = _FAR
        return trials[-1]["seconds"]

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0))
    study.enqueue_trial(starting_point())
    study.optimize(objective, n_trials=count)
    return trials


def starting_point() -> dict[str, Any]:
    """The choices of a trial that make it the preset conv-fast."""
    (fast,) = (preset.params for preset in load_presets(ROOT) if preset.name == "conv-fast")
    first, second = fast.adam_betas
    recipe = {"epochs": fast.epochs, "batch_size": fast.batch_size, "learning_rate": fast.learning_rate}
    return recipe | {"rise": _RISE, "beta1": first, "beta2": second, "average": 0.0, "muon": 0.0}


if __name__ == "__main__":
    run(main)
