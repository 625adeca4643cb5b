"""The file of a model's codes, which the figures are drawn from."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, UInt8
from safetensors import SafetensorError

from mnist_vae.console.stage import UserError
from mnist_vae.data.array_file import ArrayKind, map_arrays, new_arrays

# A latent dimension is in use if its mean code varies more than this over the images (Burda et al. 2016, "Importance
# Weighted Autoencoders", section 5.2).
ACTIVE_VARIANCE = 0.01


class EvaluatedCodes(NamedTuple):
    """For each test image, in the test set's order: the mean code, its KL in each dimension in nats, and the class; and
    for each training image the mean code.
    """

    mean: Float32[np.ndarray, "N D"]
    kl: Float32[np.ndarray, "N D"]
    labels: UInt8[np.ndarray, " N"]
    train_mean: Float32[np.ndarray, "M D"]


def save_codes(codes: EvaluatedCodes, path: Path) -> None:
    """Write the codes to a safetensors file."""
    arrays = codes._asdict()
    with new_arrays(path, {name: ArrayKind(array.dtype, array.shape) for name, array in arrays.items()}) as file:
        for name, array in arrays.items():
            file.append(name, array)


def load_codes(path: Path) -> EvaluatedCodes:
    """Map what save_codes wrote. Raises UserError for a missing, torn or foreign file."""
    try:
        arrays = map_arrays(path)
        return EvaluatedCodes(*(arrays[name] for name in EvaluatedCodes._fields))
    except FileNotFoundError:
        raise UserError(f"{path} is missing: run `dvc repro evaluate`") from None
    except (SafetensorError, OSError, KeyError) as error:
        raise UserError(f"{path} is no file of codes ({error}): delete it and run `dvc repro`") from None
