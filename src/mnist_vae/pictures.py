"""The images that the figures show: reconstructions, samples, permutations, class means, an interpolation."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, UInt8
from safetensors.numpy import save_file
from torch import Tensor

from mnist_vae.autoencoder import Autoencoder
from mnist_vae.codes import EvaluatedCodes
from mnist_vae.params import FigureParams
from mnist_vae.randomness import derived_seed

_CLASSES = 10
_RECONSTRUCTIONS = 10  # images a row, and rows of pairs below
_PAIRS = 2
_SAMPLES_A_SIDE = 10
_PERMUTATIONS = 8


class Pictures(NamedTuple):
    """Brightness 0..1 of images (rows, columns, S, S)."""

    reconstructions: Float[np.ndarray, "4 10 S S"]  # originals and their reconstructions in turn
    samples: Float[np.ndarray, "10 10 S S"]
    permutations: Float[np.ndarray, "10 10 S S"]  # a row: an original, its mean code decoded, eight permutations
    class_means: Float[np.ndarray, "1 10 S S"]
    interpolation: Float[np.ndarray, "1 steps S S"]


def save_pictures(pictures: Pictures, path: Path) -> None:
    """Write the arrays to a safetensors file, to be drawn in another way."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: np.ascontiguousarray(array) for name, array in pictures._asdict().items()}, path)


def draw_pictures(
    model: Autoencoder, images: UInt8[Tensor, "N 1 S S"], codes: EvaluatedCodes, seed: int, params: FigureParams
) -> Pictures:
    """All pictures of a model and its test set. Random ones are a function of the seed."""
    painter = _Painter(model, images, codes, seed)
    means = class_means(codes)
    ends = means[[params.interpolation_from, params.interpolation_to]]
    return Pictures(
        reconstructions=painter.reconstructions(),
        samples=painter.decode(painter.noise("samples", _SAMPLES_A_SIDE, _SAMPLES_A_SIDE)),
        permutations=painter.permutations(),
        class_means=painter.decode(means[None]),
        interpolation=painter.decode(interpolate(ends, params.interpolation_steps)[None]),
    )


def class_means(codes: EvaluatedCodes) -> Float[Tensor, "10 D"]:
    """The mean of the codes of each class: the sum divided by how many images the class really has."""
    mean = torch.from_numpy(codes.mean)
    return torch.stack([mean[torch.from_numpy(codes.labels == label)].mean(dim=0) for label in range(_CLASSES)])


def interpolate(ends: Float[Tensor, "2 D"], steps: int) -> Float[Tensor, "{steps} D"]:
    """The straight line between two codes, both included, in equal steps."""
    weight = torch.linspace(0, 1, steps)[:, None]
    return (1 - weight) * ends[0] + weight * ends[1]


class _Painter:
    def __init__(self, model: Autoencoder, images: UInt8[Tensor, "N 1 S S"], codes: EvaluatedCodes, seed: int):
        self.model, self.images, self.codes, self.seed = model, images, codes, seed

    def noise(self, purpose: str, rows: int, columns: int) -> Float[Tensor, "{rows} {columns} D"]:
        source = torch.Generator().manual_seed(derived_seed(self.seed, purpose))
        return torch.randn(rows, columns, self.codes.mean.shape[1], generator=source)

    def decode(self, codes: Float[Tensor, "rows columns D"]) -> Float[np.ndarray, "rows columns S S"]:
        with torch.inference_mode():
            decoded = self.model.decode(codes.flatten(0, 1).to(self.images.device))
        return decoded.cpu().numpy().reshape(*codes.shape[:2], *decoded.shape[2:])

    def originals(self, indices: list[int]) -> Float[np.ndarray, "n S S"]:
        return self.images[indices, 0].cpu().numpy() / np.float32(255)

    def reconstructions(self) -> Float[np.ndarray, "rows columns S S"]:
        rows = []
        for pair in range(_PAIRS):
            indices = list(range(pair * _RECONSTRUCTIONS, (pair + 1) * _RECONSTRUCTIONS))
            decoded = self.decode(torch.from_numpy(self.codes.mean[indices])[None])
            rows += [self.originals(indices)[None], decoded]
        return np.concatenate(rows)

    def permutations(self) -> Float[np.ndarray, "rows columns S S"]:
        # The first test image of each class.
        indices = [int(np.flatnonzero(self.codes.labels == label)[0]) for label in range(_CLASSES)]
        mean = torch.from_numpy(self.codes.mean[indices])[:, None]  # (10, 1, D)
        permuted = mean + self.noise("permutations", _CLASSES, _PERMUTATIONS)
        decoded = self.decode(torch.cat([mean, permuted], dim=1))
        return np.concatenate([self.originals(indices)[:, None], decoded], axis=1)
