"""The numbers: how well a model reconstructs the test set, and what its codes cost."""

import csv
import io
import json
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float32, Float64, UInt8
from torch import Tensor

from mnist_vae.common.catalogue import CLASSES, WHITE
from mnist_vae.common.seeds import derived_seed
from mnist_vae.data.latents import active_dimensions
from mnist_vae.model.autoencoder import Autoencoder

_BATCH = 500  # bounds the memory, and more leave a processor's caches; the noise, and so the ELBO, depends on it too


class Evaluation(NamedTuple):
    """Of each image: its squared error when reconstructed from the mean code, summed over pixels of brightness 0..1;
    its distortion at one sampled code, in the likelihood's unit; its mean code; and the code's KL in each dimension in
    nats.
    """

    squared_error: Float64[np.ndarray, " N"]
    sampled_distortion: Float64[np.ndarray, " N"]
    mean: Float32[np.ndarray, "N D"]
    kl: Float32[np.ndarray, "N D"]


class Metrics(NamedTuple):
    """The headline numbers of the test set.

    Means per image: the squared error per pixel of images on [-1, 1], reconstructed from their mean codes, the KL and
    the ELBO in nats. `effective_beta` is the weight of one nat of KL against one unit of distortion.
    """

    mse_minus1_to_1: float
    kl_nats: float
    elbo_nats: float | None
    effective_beta: float
    active_dimensions: int
    parameter_count: int

    def json(self) -> str:
        """The content of metrics.json, without what this model has no value for."""
        return json.dumps({name: value for name, value in self._asdict().items() if value is not None}, indent=2) + "\n"


class ClassMetrics(NamedTuple):
    """A line of classes.csv: means over the test images of one class."""

    label: int
    mse_per_pixel_minus1_to_1: float
    kl_nats_per_image: float


def evaluate(model: Autoencoder, images: UInt8[Tensor, "N 1 S S"], seed: int) -> Evaluation:
    """Encode and reconstruct each image. The noise of the sampled codes is a function of the seed."""
    squared_error, distortion, mean, kl = [], [], [], []
    model.eval()
    with torch.inference_mode():
        for number, batch in enumerate(images.to(model.device).split(_BATCH)):
            code = model.encode(batch)
            # To the CPU before float64, which MPS lacks.
            error = (model.decode(code.mean) - batch / WHITE).cpu().double()
            squared_error.append(error.square().sum(dim=(1, 2, 3)))
            # Each batch has noise of its own, so that it is the same whatever was evaluated before.
            source = torch.Generator().manual_seed(derived_seed(seed, "evaluation noise", number))
            noise = torch.randn(code.mean.shape, generator=source).to(model.device)
            distortion.append(model.distortion(batch, code.sample(noise)).cpu().double())
            mean.append(code.mean.cpu())
            kl.append(code.kl().cpu())
    return Evaluation(*(torch.cat(values).numpy() for values in (squared_error, distortion, mean, kl)))


def encode_means(model: Autoencoder, images: UInt8[Tensor, "N 1 S S"]) -> Float32[np.ndarray, "N D"]:
    """The mean code of each image."""
    model.eval()
    with torch.inference_mode():
        return torch.cat([model.encode(batch.to(model.device)).mean.cpu() for batch in images.split(_BATCH)]).numpy()


def compute_metrics(model: Autoencoder, evaluation: Evaluation, pixels: int) -> Metrics:
    """The means of an evaluation on images of that many pixels.

    The ELBO takes E[log p(x|z)] from one sampled code an image, under the likelihood that the loss implies: Bernoulli,
    or the Gaussian of the variance at which the loss is an ELBO. It is None where there is none: where kl_weight is 0
    with a Gaussian, and for a plain autoencoder.
    """
    beta, kl = model.objective.beta, float(_kl_per_image(evaluation).mean())
    nll = None
    if model.latent.has_prior:
        nll = model.likelihood.negative_log_likelihood(float(evaluation.sampled_distortion.mean()), pixels, beta)
    return Metrics(
        mse_minus1_to_1=float(_mse(evaluation, pixels).mean()),
        kl_nats=kl,
        elbo_nats=None if nll is None else -nll - kl,
        effective_beta=beta,
        active_dimensions=active_dimensions(evaluation.mean.var(axis=0, dtype=np.float64)),
        parameter_count=sum(weight.numel() for weight in model.parameters()),
    )


def compute_class_metrics(evaluation: Evaluation, labels: UInt8[np.ndarray, " N"], pixels: int) -> list[ClassMetrics]:
    """The means of each class, in the order of classes."""
    mse, kl = _mse(evaluation, pixels), _kl_per_image(evaluation)
    members = [labels == label for label in range(CLASSES)]
    return [ClassMetrics(label, float(mse[of].mean()), float(kl[of].mean())) for label, of in enumerate(members)]


def class_csv(rows: list[ClassMetrics]) -> str:
    """The content of classes.csv."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["class", *ClassMetrics._fields[1:]])
    writer.writerows(rows)
    return text.getvalue()


def _mse(evaluation: Evaluation, pixels: int) -> Float64[np.ndarray, " N"]:
    return 4 * evaluation.squared_error / pixels  # on twice the range, four times the squared error


def _kl_per_image(evaluation: Evaluation) -> Float64[np.ndarray, " N"]:
    return evaluation.kl.sum(axis=1, dtype=np.float64)
