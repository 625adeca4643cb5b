"""The model for those who know MLflow only: `mlflow.pyfunc.load_model`, `mlflow models serve`.

It takes and gives rows of float32. An image is a row of its pixels' grey levels, from 0 (black) to 255 (white), line by
line; a code is a row of its latent dimensions. The parameter `method` says what it does:

- reconstruct: images to images, each decoded from its mean code; the default
- encode: images to mean codes
- decode: codes to images
- sample: to as many images from the prior as there are rows, whose content does not matter; by the parameter `seed`
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mnist_vae.model.file import TrainedModel, load_model

_GREY_LEVELS = 255


class ServedModel:
    """A model that predicts as MLflow asks."""

    def __init__(self, model: TrainedModel):
        self._model, self._params = model.autoencoder, model.origin.params

    @torch.inference_mode()
    def predict(self, rows: np.ndarray, params: dict | None = None) -> np.ndarray:
        """What the method makes of the rows (N, pixels or latent dimensions), as rows (N, ...) of float32.

        Raises ValueError for an unknown method, rows of a wrong length, and numbers that are no grey levels or not
        finite.
        """
        chosen = {"method": "reconstruct", "seed": 0} | (params or {})
        match chosen["method"]:
            case "reconstruct":
                found = self._images(self._model.encode(self._grey_levels(rows)).mean)
            case "encode":
                found = self._model.encode(self._grey_levels(rows)).mean
            case "decode":
                found = self._images(self._codes(rows))
            case "sample":
                found = self._images(self._noise(len(rows), chosen["seed"]))
            case other:
                raise ValueError(f"method is {other!r}, but must be reconstruct, encode, decode or sample")
        return found.numpy()

    def _grey_levels(self, rows: np.ndarray) -> Tensor:
        size = self._params.image_size
        _check_shape(rows, size**2, "pixels")
        if not ((rows >= 0) & (rows <= _GREY_LEVELS) & (rows == np.round(rows))).all():
            raise ValueError(f"pixels must be whole grey levels from 0 to {_GREY_LEVELS}")
        return torch.from_numpy(rows.astype(np.uint8)).reshape(-1, 1, size, size)

    def _codes(self, rows: np.ndarray) -> Tensor:
        _check_shape(rows, self._params.latent_dim, "latent dimensions")
        if not np.isfinite(rows).all():
            raise ValueError("codes must be finite")
        return torch.from_numpy(rows.astype(np.float32))

    def _noise(self, count: int, seed: int) -> Tensor:
        if not self._model.latent.has_prior:
            raise ValueError("a plain autoencoder has no prior to sample from")
        return torch.randn(count, self._params.latent_dim, generator=torch.Generator().manual_seed(seed))

    def _images(self, codes: Tensor) -> Tensor:
        return self._model.decode(codes).flatten(1) * _GREY_LEVELS


def _check_shape(rows: np.ndarray, wanted: int, what: str) -> None:
    if rows.ndim != 2 or rows.shape[1] != wanted:
        raise ValueError(f"rows must be of {wanted} {what}, but the input has the shape {rows.shape}")


def _load_pyfunc(path: str) -> ServedModel:
    """What MLflow calls. Raises UserError for a file that is no model."""
    return ServedModel(load_model(Path(path), torch.device("cpu")))
