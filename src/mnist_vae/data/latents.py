"""The latents of a model in a safetensors file. The figures are drawn from them."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32, UInt
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from mnist_vae.common.atomic import write_atomically
from mnist_vae.console.stage import UserError

# A latent dimension is active if its mean code varies more than this over the images (Burda et al. 2016, "Importance
# Weighted Autoencoders", section 5.2).
ACTIVE_VARIANCE = 0.01


class Latents(NamedTuple):
    """For each test image, in the test set's order: the mean code, the KL of each dimension in nats, and the class.

    `train_mean` is the mean code of each training image.
    """

    mean: Float32[np.ndarray, "N D"]
    kl: Float32[np.ndarray, "N D"]
    labels: UInt[np.ndarray, " N"]
    train_mean: Float32[np.ndarray, "M D"]


def save_latents(latents: Latents, path: Path) -> None:
    """Write the latents to a file. Raises UserError if it cannot be written."""
    write_atomically(save({name: np.ascontiguousarray(array) for name, array in latents._asdict().items()}), path)


def load_latents(path: Path) -> Latents:
    """Read what save_latents wrote. Raises UserError if the file is missing, damaged or of another kind."""
    try:
        arrays = load_file(path)
        return Latents(*(arrays[name] for name in Latents._fields))
    except FileNotFoundError:
        raise UserError(f"{path} is missing: run `dvc repro evaluate`") from None
    except (SafetensorError, OSError, KeyError) as error:
        raise UserError(f"{path} is not a file of latents ({error}): delete it and run `dvc repro`") from None


def active_dimensions(variance: Float[np.ndarray, " D"]) -> int:
    """The number of active latent dimensions, from the variance of each dimension's mean code over the images."""
    return int((variance > ACTIVE_VARIANCE).sum())
