"""The headline numbers of a run, each with what it means and what a good value is."""

import csv
import json
import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from mnist_vae.common.catalogue import DIGITS, WHITE
from mnist_vae.common.params import ModelParams
from mnist_vae.console.stage import UserError
from mnist_vae.data.latents import ACTIVE_VARIANCE
from mnist_vae.data.prepared import ClassNames
from mnist_vae.model.autoencoder import Autoencoder

_NUMBERS = ("mse_minus1_to_1", "kl_nats", "effective_beta", "active_dimensions", "parameter_count")


_BOUND = "nll_nats_k"  # before the number of samples
_LIKELIHOODS = ("elbo_nats", "nll_nats", "nll_standard_error_nats")  # which not every model has


class Numbers(NamedTuple):
    """What metrics.json and classes.csv hold: means over the test set, and the MSE of each class."""

    mse_minus1_to_1: float
    kl_nats: float
    effective_beta: float
    active_dimensions: int
    parameter_count: int
    elbo_nats: float | None
    class_mse: list[float]
    nll_nats: float | None = None
    nll_standard_error_nats: float | None = None
    nll_samples: int = 0


class Card(NamedTuple):
    """A number with its unit, what it means, and what a good value is."""

    name: str
    value: str
    unit: str
    meaning: str
    good: str


def load_numbers(metrics: Path, classes: Path, class_names: ClassNames = DIGITS) -> Numbers:
    """Read what the evaluate stage wrote. Raises UserError for a missing or foreign file."""
    for path in (metrics, classes):
        if not path.exists():
            raise UserError(f"{path} is missing: run `dvc repro evaluate`")
    try:
        known = json.loads(metrics.read_text("utf-8"))
        values = [float(known[name]) for name in _NUMBERS]
        likelihoods = {name: float(known[name]) for name in _LIKELIHOODS if known.get(name) is not None}
        samples = max((int(name.removeprefix(_BOUND)) for name in known if name.startswith(_BOUND)), default=0)
        with classes.open(newline="", encoding="utf-8") as file:
            rows = [(row["class"], float(row["mse_minus1_to_1"])) for row in csv.DictReader(file, strict=True)]
        if [name for name, _ in rows] != [*class_names]:
            raise ValueError("it must have one line for each class, in order")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, csv.Error) as error:
        reason = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise UserError(
            f"{metrics} and {classes} are not the metrics of this model ({reason}): run `dvc repro evaluate`"
        ) from None
    mse, kl, beta, active, count = values
    errors = [error for _, error in rows]
    elbo, nll, standard_error = (likelihoods.get(name) for name in _LIKELIHOODS)
    return Numbers(mse, kl, beta, int(active), int(count), elbo, errors, nll, standard_error, samples)


def headline(
    numbers: Numbers, params: ModelParams, model: Autoencoder, images: UInt8[np.ndarray, "N 1 S S"]
) -> list[Card]:
    """The numbers of a run, the most important first."""
    cards = [_reconstruction(numbers, images)]
    if model.latent.has_prior:
        cards += [_kl(numbers, len(images)), _beta(numbers, params, model)]
        if numbers.elbo_nats is not None:
            cards.append(_elbo(numbers, model))
        if numbers.nll_nats is not None:
            cards.append(_nll(numbers, params, model))
    return [*cards, _active(numbers, params), _size(numbers)]


def _reconstruction(numbers: Numbers, images: UInt8[np.ndarray, "N 1 S S"]) -> Card:
    # The mean of the squares less the square of the mean, without a copy of all images in more bytes.
    counts = sum(np.bincount(image.ravel(), minlength=WHITE + 1) for image in images)
    squares = float(counts @ np.square(np.arange(WHITE + 1) / WHITE)) / images.size
    variance = squares - float(np.square(images.mean(axis=0, dtype=np.float64) / WHITE).mean())
    mean_image = 4 * max(variance, 0.0)  # on [-1, 1], twice the range, four times the squared error
    explained = (
        f"; this model explains {100 * (1 - numbers.mse_minus1_to_1 / mean_image):.1f} % of that"
        if mean_image > 0
        else ""
    )
    return Card(
        "Reconstruction error",
        f"{numbers.mse_minus1_to_1:.4g}",
        "MSE per pixel, images in [−1, 1]",
        "How far a test image is from what the model makes of it when it encodes and decodes it.",
        f"0 is a perfect copy. Drawing the mean image every time would give {mean_image:.3g}{explained}.",
    )


def _kl(numbers: Numbers, count: int) -> Card:
    return Card(
        "KL divergence",
        f"{numbers.kl_nats:.4g}",
        f"nats per image ({numbers.kl_nats / math.log(2):.3g} bits)",
        "How much a code says about its image: what it costs to send, given the prior.",
        f"Less is better at the same reconstruction error. Near 0 the codes say nothing (posterior collapse); to tell"
        f" {count:,} images apart takes at least {math.log(count):.1f} nats.",
    )


def _beta(numbers: Numbers, params: ModelParams, model: Autoencoder) -> Card:
    beta, weight = f"{numbers.effective_beta:.4g}", f"{params.kl_weight:g}"
    if params.reduction == "mean":
        pixels = params.image_size**2
        how = (
            f"kl_weight {weight} weighs the mean KL of a latent dimension against the mean error of a pixel. Summed"
            f" over {pixels:,} pixels and {params.latent_dim:,} dimensions that is {weight} × {pixels:,} /"
            f" {params.latent_dim:,} = {beta}."
        )
    else:
        how = f"Both terms are summed over an image, so β is kl_weight itself, {weight}."
    variance = model.likelihood.variance(numbers.effective_beta)
    if variance is not None:
        what = (
            f"With this β the loss is the ELBO of a Gaussian decoder of variance {variance:.3g} for images in [−1, 1]."
            " More gives smoother codes and blurred images, less gives sharp copies and poor samples."
        )
    elif numbers.effective_beta > 0:
        what = "β = 1 is the ELBO itself; more is a β-VAE, which gives up detail for smoother codes."
    else:
        what = "Nothing keeps the codes near the prior, so samples from it mean little."
    return Card("Effective β", beta, "weight of one nat of KL against one unit of reconstruction error", how, what)


def _elbo(numbers: Numbers, model: Autoencoder) -> Card:
    return Card(
        "ELBO",
        f"{numbers.elbo_nats:.5g}".replace("-", "−"),
        "nats per image",
        f"A lower bound of the log likelihood of a test image under {_decoder(numbers, model)}.",
        "Higher is better, but only against runs with the same decoder distribution, variance and image size.",
    )


def _nll(numbers: Numbers, params: ModelParams, model: Autoencoder) -> Card:
    error = numbers.nll_standard_error_nats
    samples = "one importance sample" if numbers.nll_samples == 1 else f"{numbers.nll_samples:,} importance samples"
    papers = " docs/likelihood.md has papers' results beside it." if params.binarisation != "none" else ""
    return Card(
        "Negative log-likelihood",
        f"≤ {numbers.nll_nats:.5g}".replace("-", "−"),
        "nats per image" if error is None else f"nats per image, standard error {error:.2g}",
        f"An upper bound of −log p(x) of a test image under {_decoder(numbers, model)}, from {samples}."
        " It is tighter than the ELBO, and reaches −log p(x) as the number of samples grows.",
        f"Lower is better, but only against runs with the same images and decoder distribution.{papers}",
    )


def _decoder(numbers: Numbers, model: Autoencoder) -> str:
    variance = model.likelihood.variance(numbers.effective_beta)
    return "a Bernoulli decoder" if variance is None else f"a Gaussian decoder of variance {variance:.3g}"


def _active(numbers: Numbers, params: ModelParams) -> Card:
    unused = params.latent_dim - numbers.active_dimensions
    good = "All are used." if not unused else f"The decoder hears nothing from the other {unused:,}."
    return Card(
        "Active dimensions",
        f"{numbers.active_dimensions:,} of {params.latent_dim:,}",
        "of the code",
        f"A dimension is active if the variance of its mean code over the test images is above {ACTIVE_VARIANCE}.",
        f"{good} If many are inactive, a smaller latent_dim would do.",
    )


def _size(numbers: Numbers) -> Card:
    return Card(
        "Weights",
        f"{numbers.parameter_count:,}",
        "encoder and decoder",
        "The numbers that were learnt.",
        "Fewer train and run faster; they count in a comparison of systems.",
    )
