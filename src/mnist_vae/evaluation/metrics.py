"""The numbers: how well a model reconstructs the test set, and what its codes cost."""

import json
from itertools import count
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64, UInt8
from torch import Tensor

from mnist_vae.common.atomic import write_whole
from mnist_vae.common.seeds import derived_seed
from mnist_vae.data import moments
from mnist_vae.data.latents import ACTIVE_VARIANCE
from mnist_vae.model.autoencoder import Autoencoder

_BATCH = 500  # bounds the memory, and more leave a processor's caches; the noise, and so the ELBO, depends on it too
_CLASSES = 10


class Measures(NamedTuple):
    """Of each image: three measures.

    Its squared error when reconstructed from the mean code, summed over pixels of brightness 0..1; its distortion at
    one sampled code, in the likelihood's unit; the KL of its code in nats.
    """

    squared_error: Float64[np.ndarray, " N"]
    sampled_distortion: Float64[np.ndarray, " N"]
    kl: Float64[np.ndarray, " N"]


class ClassMetrics(NamedTuple):
    """Means over the test images of a class."""

    label: int
    mse_per_pixel_minus1_to_1: float
    kl_nats_per_image: float


class Metrics(NamedTuple):
    """Means over the test set, each named with its unit; by class, in the order of classes."""

    mse_per_pixel_0_to_1: float
    mse_per_pixel_minus1_to_1: float
    squared_error_per_image_minus1_to_1: float
    kl_nats_per_image: float
    kl_nats_per_dimension: float
    effective_beta: float
    active_latent_dimensions: int
    parameter_count: int
    elbo_nats_per_image: float | None
    elbo_gaussian_variance: float | None
    classes: list[ClassMetrics]


def save_metrics(metrics: Metrics, path: Path, classes_path: Path) -> None:
    """Write the headline numbers as JSON, without what this model has no value for, and those by class as CSV."""
    *headline, (_, classes) = metrics._asdict().items()
    named = {name: value for name, value in headline if value is not None}
    rows = [",".join(["class", *ClassMetrics._fields[1:]]), *(",".join(map(repr, row)) for row in classes)]
    write_whole((json.dumps(named, indent=2) + "\n").encode(), path)
    write_whole("".join(f"{row}\n" for row in rows).encode(), classes_path)


class _Batch(NamedTuple):
    number: int
    images: UInt8[Tensor, "B 1 S S"]


class Evaluation(NamedTuple):
    """Of each image: the measures, the mean code, and the code's KL in each dimension in nats."""

    measures: Measures
    mean: Float32[np.ndarray, "N D"]
    kl: Float32[np.ndarray, "N D"]


def evaluate(model: Autoencoder, images: UInt8[Tensor, "N 1 S S"], seed: int) -> Evaluation:
    """Encode and reconstruct each image. The noise of the sampled codes is a function of the seed."""
    rows = _Rows(len(images)), _Rows(len(images)), _Rows(len(images))

    def measure(batch: _Batch) -> tuple[Tensor, ...]:
        there = batch.images.to(model.device)
        code = model.encode(there)
        # To the CPU before float64, which MPS lacks.
        error = (model.decode(code.mean) - there / 255).cpu().double().square().sum(dim=(1, 2, 3))
        # For each batch a noise of its own, so that it is the same wherever the batch is computed.
        source = torch.Generator().manual_seed(derived_seed(seed, "evaluation noise", batch.number))
        noise = torch.randn(code.mean.shape, generator=source).to(there.device)
        distortion = model.distortion(there, code.sample(noise)).cpu().double()
        kl = code.kl().cpu()
        return torch.stack([error, distortion, kl.double().sum(dim=1)], dim=1), code.mean.cpu(), kl

    model.eval()
    with torch.inference_mode():
        for measured in map(measure, map(_Batch, count(), images.split(_BATCH))):
            for row, values in zip(rows, measured, strict=True):
                row.append(values)
    measures, mean, kl = (row.array() for row in rows)
    return Evaluation(Measures(*np.ascontiguousarray(measures.T)), mean, kl)


def encode_means(model: Autoencoder, images: UInt8[Tensor, "N 1 S S"]) -> Float32[np.ndarray, "N D"]:
    """The mean code of each image."""
    means = _Rows(len(images))
    model.eval()
    with torch.inference_mode():
        for batch in images.split(_BATCH):
            means.append(model.encode(batch.to(model.device)).mean.cpu())
    return means.array()


def compute_metrics(
    model: Autoencoder, evaluation: Evaluation, labels: UInt8[np.ndarray, " N"], pixels: int
) -> Metrics:
    """The means of an evaluation on images of that many pixels.

    The ELBO takes E[log p(x|z)] from one sampled code an image, under the likelihood that the loss implies: Bernoulli,
    or the Gaussian of the variance at which the loss is an ELBO. It is None where there is none: where kl_weight is 0
    with a Gaussian, and for a plain autoencoder.
    """
    squared_error, sampled_distortion, kl = evaluation.measures
    beta, likelihood = model.objective.beta, model.likelihood
    mse = 4 * squared_error / pixels  # twice the range, four times the squared error
    unlikelihood = None
    if model.latent.has_prior:
        unlikelihood = likelihood.negative_log_likelihood(float(sampled_distortion.mean()), pixels, beta)
    return Metrics(
        mse_per_pixel_0_to_1=float(mse.mean() / 4),
        mse_per_pixel_minus1_to_1=float(mse.mean()),
        squared_error_per_image_minus1_to_1=float(4 * squared_error.mean()),
        kl_nats_per_image=float(kl.mean()),
        kl_nats_per_dimension=float(kl.mean() / evaluation.mean.shape[1]),
        effective_beta=beta,
        active_latent_dimensions=active_dimensions(evaluation.mean),
        parameter_count=sum(weight.numel() for weight in model.parameters()),
        elbo_nats_per_image=None if unlikelihood is None else -unlikelihood - float(kl.mean()),
        elbo_gaussian_variance=likelihood.variance(beta),
        classes=[
            ClassMetrics(label, float(mse[labels == label].mean()), float(kl[labels == label].mean()))
            for label in range(_CLASSES)
        ],
    )


def active_dimensions(mean: Float[np.ndarray, "N D"]) -> int:
    """How many latent dimensions are in use: those whose mean code has a variance over the images above 0.01."""
    return int((moments.variance(mean) > ACTIVE_VARIANCE).sum())


class _Rows:
    """An array on the CPU that grows to its known size batch by batch, so that no more than it is in memory."""

    def __init__(self, count: int):
        self._count, self._filled, self._rows = count, 0, torch.empty(0)

    def append(self, batch: Float[Tensor, "B *shape"]) -> None:
        if not self._filled:
            self._rows = torch.empty(self._count, *batch.shape[1:], dtype=batch.dtype)
        self._rows[self._filled : self._filled + len(batch)] = batch
        self._filled += len(batch)

    def array(self) -> Float[np.ndarray, "N *shape"]:
        return self._rows.numpy()
