"""The content of the figures as arrays: decoded images, and positions of the latent codes."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, UInt, UInt8
from safetensors import SafetensorError
from safetensors.numpy import load_file, save
from torch import Tensor

from mnist_vae.common.atomic import write_atomically
from mnist_vae.common.catalogue import DIGITS, WHITE
from mnist_vae.common.params import FigureParams
from mnist_vae.common.seeds import derived_seed
from mnist_vae.console.stage import UserError
from mnist_vae.data.latents import Latents
from mnist_vae.data.prepared import ClassNames, class_number, names_entry
from mnist_vae.figures.interpolation import lerp, slerp
from mnist_vae.figures.mixture import sample_fitted
from mnist_vae.figures.projection import latent_plane
from mnist_vae.model.autoencoder import Autoencoder

_RECONSTRUCTIONS = 10  # images a row, and rows of pairs below
_PAIRS = 2
_OF_A_CLASS = 10
_MOST_ROWS = 50  # of figures with a row for each class
_SAMPLES_A_SIDE = 10
_PERTURBED = 8
_PLANE_SIDE = 20
_BY_CLASS = {"class_originals", "class_reconstructions", "class_means", "labels", "linear_interpolation"}


class Pictures(NamedTuple):
    """Images (rows, columns, S, S) as brightness 0..1, and numbers about the latent codes. None for what a model lacks.

    If the images have no classes, everything by class and the interpolations are None. If the two classes of the
    interpolation do not exist, the interpolations are None.
    """

    reconstructions: Float[np.ndarray, "pairs columns S S"]  # rows of originals alternate with their reconstructions
    class_originals: Float[np.ndarray, "rows columns S S"] | None  # a row for each of the first classes
    class_reconstructions: Float[np.ndarray, "rows columns S S"] | None
    fitted_samples: Float[np.ndarray, "10 10 S S"]
    class_means: Float[np.ndarray, "1 classes S S"] | None
    linear_interpolation: Float[np.ndarray, "1 steps S S"] | None
    labels: UInt[np.ndarray, " N"] | None
    mean_variance: Float[np.ndarray, " D"]  # the variance of the mean codes in each dimension
    # These three are None without a prior. A row of `perturbed`: an original, its decoded mean code, and that code
    # decoded with eight draws of noise from the prior added.
    samples: Float[np.ndarray, "10 10 S S"] | None = None
    perturbed: Float[np.ndarray, "shown 10 S S"] | None = None
    kl_per_dimension: Float[np.ndarray, " D"] | None = None  # nats
    # These four are None with fewer than two latent dimensions.
    plane: Float[np.ndarray, "20 20 S S"] | None = None
    plane_quantiles: Float[np.ndarray, "2 20"] | None = None  # coordinates of its columns and its rows, ascending
    scatter: Float[np.ndarray, "N 2"] | None = None
    # Also None with two latent dimensions, because these are the plane's axes.
    explained_variance: Float[np.ndarray, "2"] | None = None
    # None if an end is 0, or the two ends point in opposite directions.
    spherical_interpolation: Float[np.ndarray, "1 steps S S"] | None = None


def save_pictures(pictures: Pictures, path: Path, class_names: ClassNames = DIGITS) -> None:
    """Write the arrays to a safetensors file, for other drawings. load_class_names reads the class names from it."""
    arrays = {name: np.ascontiguousarray(array) for name, array in pictures._asdict().items() if array is not None}
    write_atomically(save(arrays, names_entry(class_names)), path)


def load_pictures(path: Path) -> Pictures:
    """Read what save_pictures wrote. Raises UserError if the file is missing, damaged or of another kind."""
    try:
        arrays: dict[str, Any] = load_file(path)
        may_lack = {"linear_interpolation"} if "labels" in arrays else _BY_CLASS
        return Pictures(**{**dict.fromkeys(may_lack), **arrays})
    except FileNotFoundError:
        raise UserError(f"{path} is missing: run `dvc repro render`") from None
    except (SafetensorError, OSError, TypeError) as error:  # TypeError: an array is missing or unknown
        raise UserError(f"{path} is not a file of pictures ({error}): delete it and run `dvc repro`") from None


def draw_pictures(
    model: Autoencoder,
    images: UInt8[Tensor, "N 1 S S"],
    latents: Latents,
    seed: int,
    params: FigureParams,
    class_names: ClassNames = DIGITS,
) -> Pictures:
    """All pictures of a model and its test set. Random draws depend only on the seed."""
    painter = _Painter(model, images, latents, seed, len(class_names))
    has_prior = model.latent.has_prior
    means = class_means(latents, len(class_names)) if class_names else None
    line, arc = _interpolations(means, params, class_names)
    plane = latent_plane(latents.mean, has_prior=has_prior)
    originals, regenerated = painter.class_rows() if class_names else (None, None)
    return Pictures(
        reconstructions=painter.reconstructions(),
        class_originals=originals,
        class_reconstructions=regenerated,
        fitted_samples=painter.fitted_samples(params),
        class_means=painter.decode(means[None]) if means is not None else None,
        linear_interpolation=painter.decode(line[None]) if line is not None else None,
        labels=latents.labels if class_names else None,
        mean_variance=latents.mean.var(axis=0, dtype=np.float64),
        samples=painter.decode(painter.noise("samples", _SAMPLES_A_SIDE, _SAMPLES_A_SIDE)) if has_prior else None,
        perturbed=painter.perturbed() if has_prior else None,
        kl_per_dimension=latents.kl.mean(axis=0, dtype=np.float64) if has_prior else None,
        plane=painter.decode(torch.from_numpy(plane.grid(_PLANE_SIDE)).float()) if plane else None,
        plane_quantiles=plane.quantiles(_PLANE_SIDE) if plane else None,
        scatter=plane.coordinates(latents.mean) if plane else None,
        explained_variance=plane.explained if plane else None,
        spherical_interpolation=painter.decode(arc[None]) if arc is not None else None,
    )


def class_means(latents: Latents, count: int = len(DIGITS)) -> Float[Tensor, "{count} D"]:
    """The mean of the codes of each class, over the images that the class really has."""
    means = torch.from_numpy(latents.mean)
    return torch.stack([means[torch.from_numpy(latents.labels == label)].mean(dim=0) for label in range(count)])


def _interpolations(
    means: Float[Tensor, "classes D"] | None, params: FigureParams, names: ClassNames
) -> tuple[Float[Tensor, "steps D"] | None, Float[Tensor, "steps D"] | None]:
    """The lerp and the slerp between the mean codes of the two chosen classes; None for one that does not exist."""
    first, second = (class_number(name, names) for name in (params.interpolation_from, params.interpolation_to))
    if means is None or first is None or second is None or first == second:
        return None, None
    ends = means[[first, second]]
    return lerp(ends, params.interpolation_steps), slerp(ends, params.interpolation_steps)


class _Painter:
    def __init__(self, model: Autoencoder, images: UInt8[Tensor, "N 1 S S"], latents: Latents, seed: int, classes: int):
        self.model, self.images, self.latents, self.seed = model, images, latents, seed
        self.rows = min(classes, _MOST_ROWS)

    def noise(self, purpose: str, rows: int, columns: int) -> Float[Tensor, "{rows} {columns} D"]:
        source = torch.Generator().manual_seed(derived_seed(self.seed, purpose))
        return torch.randn(rows, columns, self.latents.mean.shape[1], generator=source)

    def decode(self, codes: Float[Tensor, "rows columns D"]) -> Float[np.ndarray, "rows columns S S"]:
        with torch.inference_mode():
            decoded = self.model.decode(codes.flatten(0, 1).to(self.model.device))
        return decoded.cpu().numpy().reshape(*codes.shape[:2], *decoded.shape[2:])

    def originals(self, indices: list[int]) -> Float[np.ndarray, "n S S"]:
        return self.images[indices, 0].cpu().numpy() / np.float32(WHITE)

    def reconstructions(self) -> Float[np.ndarray, "rows columns S S"]:
        rows = []
        columns = min(_RECONSTRUCTIONS, len(self.images) // _PAIRS)
        for pair in range(_PAIRS):
            indices = list(range(pair * columns, (pair + 1) * columns))
            decoded = self.decode(torch.from_numpy(self.latents.mean[indices])[None])
            rows += [self.originals(indices)[None], decoded]
        return np.concatenate(rows)

    def class_rows(self) -> Float[np.ndarray, "2 rows columns S S"]:
        # The first test images of each class: up to ten, and not more than the smallest class has.
        of_class = [np.flatnonzero(self.latents.labels == label)[:_OF_A_CLASS] for label in range(self.rows)]
        columns = min(map(len, of_class))
        indices = np.stack([found[:columns] for found in of_class])  # (rows, columns)
        originals = self.originals(indices.ravel().tolist())
        decoded = self.decode(torch.from_numpy(self.latents.mean[indices]))
        return np.stack([originals.reshape(decoded.shape), decoded])

    def fitted_samples(self, params: FigureParams) -> Float[np.ndarray, "rows columns S S"]:
        seed = derived_seed(self.seed, "fitted samples")
        drawn = sample_fitted(self.latents.train_mean, _SAMPLES_A_SIDE**2, params.fitted_components, seed)
        return self.decode(torch.from_numpy(drawn).float().unflatten(0, (_SAMPLES_A_SIDE, _SAMPLES_A_SIDE)))

    def perturbed(self) -> Float[np.ndarray, "rows columns S S"]:
        # The first test image of each class. If there are no classes, the first test images.
        indices = [int(np.flatnonzero(self.latents.labels == label)[0]) for label in range(self.rows)]
        indices = indices or list(range(min(_OF_A_CLASS, len(self.images))))
        mean = torch.from_numpy(self.latents.mean[indices])[:, None]  # (rows, 1, D)
        noisy = mean + self.noise("permutations", len(indices), _PERTURBED)
        decoded = self.decode(torch.cat([mean, noisy], dim=1))
        return np.concatenate([self.originals(indices)[:, None], decoded], axis=1)
