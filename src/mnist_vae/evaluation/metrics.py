"""The metrics: how well a model reconstructs the test set, and the KL of its codes."""

import csv
import io
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float32, Float64, UInt, UInt8
from torch import Tensor

from mnist_vae.common.atomic import write_atomically
from mnist_vae.common.catalogue import DIGITS, WHITE
from mnist_vae.common.device import EVALUATION_BATCH
from mnist_vae.common.seeds import derived_seed
from mnist_vae.data.latents import active_dimensions
from mnist_vae.data.prepared import ClassNames
from mnist_vae.evaluation.likelihood import Bounds
from mnist_vae.model.autoencoder import Autoencoder


class Evaluation(NamedTuple):
    """The evaluation of each image.

    `squared_error` is summed over pixels of brightness 0..1, for the reconstruction from the mean code.
    `sampled_reconstruction_error` is the one at a sampled code, in the likelihood's unit. `kl` is in nats.
    """

    squared_error: Float64[np.ndarray, " N"]
    sampled_reconstruction_error: Float64[np.ndarray, " N"]
    mean: Float32[np.ndarray, "N D"]
    kl: Float32[np.ndarray, "N D"]


class ClassMetrics(NamedTuple):
    """Means over the test images of a class."""

    label: int
    mse_minus1_to_1: float
    kl_nats: float
    nll_nats: float | None


class SampledNll(NamedTuple):
    """The negative log-likelihood as so many importance samples an image bound it."""

    samples: int
    nll_nats: float


class Metrics(NamedTuple):
    """The metrics of the test set, and in `classes` those of each class in label order.

    The MSE is per pixel, for images on [-1, 1] reconstructed from their mean codes. KL and ELBO are means per image.
    `effective_beta` is the weight of one nat of KL relative to one unit of reconstruction error. The negative
    log-likelihood is an upper bound, from the greatest number of importance samples, with its standard error over the
    images. `nll_bounds` also has those from fewer samples.
    """

    mse_minus1_to_1: float
    kl_nats: float
    elbo_nats: float | None
    effective_beta: float
    active_dimensions: int
    parameter_count: int
    nll_nats: float | None
    nll_standard_error_nats: float | None
    nll_bounds: list[SampledNll]
    classes: list[ClassMetrics]


def save_metrics(metrics: Metrics, path: Path, classes_path: Path, class_names: ClassNames = DIGITS) -> None:
    """Write the headline numbers as JSON, without what this model has no value for, and those by class as CSV."""
    *headline, (_, bounds), (_, classes) = metrics._asdict().items()
    named = {name: value for name, value in headline if value is not None}
    named |= {f"nll_nats_k{bound.samples}": bound.nll_nats for bound in bounds}
    columns = [name for name in ClassMetrics._fields[1:] if name in named]
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["class", *columns])
    writer.writerows([class_names[of.label], *(repr(getattr(of, name)) for name in columns)] for of in classes)
    write_atomically((json.dumps(named, indent=2) + "\n").encode(), path)
    write_atomically(table.getvalue().encode(), classes_path)


def evaluate(model: Autoencoder, images: UInt8[Tensor, "N 1 S S"], seed: int) -> Evaluation:
    """Encode and reconstruct each image. The noise of the sampled codes depends only on the seed."""
    squared_error, reconstruction_error, mean, kl = [], [], [], []
    model.eval()
    with torch.inference_mode():
        for number, batch in enumerate(images.split(EVALUATION_BATCH)):
            code = model.encode(batch)
            # Move to the CPU first, because MPS has no float64.
            error = (model.decode(code.mean) - batch / WHITE).cpu().double()
            squared_error.append(error.square().sum(dim=(1, 2, 3)))
            # The noise is seeded for each batch, so that it does not depend on what was evaluated before.
            source = torch.Generator().manual_seed(derived_seed(seed, "evaluation noise", number))
            noise = torch.randn(code.mean.shape, generator=source).to(model.device)
            reconstruction_error.append(model.reconstruction_error(batch, code.sample(noise)).cpu().double())
            mean.append(code.mean.cpu())
            kl.append(code.kl().cpu())
    return Evaluation(*(torch.cat(values).numpy() for values in (squared_error, reconstruction_error, mean, kl)))


def encode_means(model: Autoencoder, images: UInt8[Tensor, "N 1 S S"]) -> Float32[np.ndarray, "N D"]:
    """The mean code of each image."""
    model.eval()
    with torch.inference_mode():
        return torch.cat([model.encode(batch).mean.cpu() for batch in images.split(EVALUATION_BATCH)]).numpy()


def compute_metrics(
    model: Autoencoder,
    evaluation: Evaluation,
    labels: UInt[np.ndarray, " N"],
    pixels: int,
    class_count: int = 10,
    bounds: Bounds | None = None,
) -> Metrics:
    """The metrics from an evaluation on images of that many pixels.

    The ELBO estimates E[log p(x|z)] from one sampled code per image. The likelihood is the one that the loss implies:
    Bernoulli, or a Gaussian with the variance for which the loss is an ELBO. The ELBO is None for a plain autoencoder,
    and for a Gaussian with kl_weight 0.
    """
    mse = 4 * evaluation.squared_error / pixels  # from brightness 0..1 to [-1, 1], twice the range
    kl = evaluation.kl.sum(axis=1, dtype=np.float64)
    beta, nll = model.objective.beta, None
    if model.latent.has_prior:
        nll = model.likelihood.negative_log_likelihood(
            float(evaluation.sampled_reconstruction_error.mean()), pixels, beta
        )
    members = [labels == label for label in range(class_count)]
    best = None if bounds is None else -bounds.log_likelihood[:, -1]
    standard_error = None if best is None else float(best.std(ddof=1) / np.sqrt(len(best)))
    return Metrics(
        mse_minus1_to_1=float(mse.mean()),
        kl_nats=float(kl.mean()),
        elbo_nats=None if nll is None else -nll - float(kl.mean()),
        effective_beta=beta,
        active_dimensions=active_dimensions(evaluation.mean.var(axis=0, dtype=np.float64)),
        parameter_count=sum(weight.numel() for weight in model.parameters()),
        nll_nats=None if bounds is None else float(bounds.nll()[-1]),
        nll_standard_error_nats=standard_error,
        nll_bounds=[] if bounds is None else list(map(SampledNll, bounds.samples, bounds.nll().tolist())),
        classes=[
            ClassMetrics(
                label, float(mse[of].mean()), float(kl[of].mean()), None if best is None else float(best[of].mean())
            )
            for label, of in enumerate(members)
        ],
    )
