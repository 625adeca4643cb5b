"""The model in MLflow: logged, loaded, served and registered.

`mlflow.pyfunc.load_model` and `mlflow models serve` give a model whose inputs and outputs are rows of float32. An image
is a row of its pixels' grey levels, from 0 (black) to 255 (white), line by line. A latent code is a row of its
dimensions. The parameter `method` selects what the model does:

- reconstruct (the default): decodes the mean code of each image
- encode: images to mean codes
- decode: codes to images
- sample: draws one image from the prior for each row, with the parameter `seed`; the rows' content does not matter
"""

import tempfile
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import mnist_vae
from mnist_vae.common.atomic import file_md5
from mnist_vae.common.catalogue import WHITE
from mnist_vae.console.stage import UserError
from mnist_vae.data.prepared import load_prepared
from mnist_vae.model.file import TrainedModel, load_model
from mnist_vae.tracking.store import Store

REGISTERED = "mnist-vae"
_NAME = "model"  # the name of a run's model
_EXAMPLES = 2  # images that show what the model takes
# The packages that this module and its imports need. They become the logged model's pip requirements.
_NEEDED = (
    *("filelock", "jaxtyping", "mlflow", "numpy", "pydantic", "pyyaml", "requests", "safetensors", "sqlalchemy"),
    "torch",
)


def log_model(store: Store, run_id: str, path: Path, prepared_path: Path) -> None:
    """Log the model in a file with example inputs, unless the run has it already. Raises what MLflow raises."""
    from mlflow.entities import LoggedModelOutput

    client, md5 = store.client, file_md5(path)
    client.set_tag(run_id, "model_md5", md5)  # the same sum as in dvc.lock
    for model in client.search_logged_models([store.experiment_id], f"source_run_id = '{run_id}'"):
        if model.tags.get("model_md5") == md5:
            if model.status == "READY":
                return
            client.delete_logged_model(model.model_id)  # its logging was interrupted
    params = client.get_run(run_id).data.params
    model = client.create_logged_model(
        store.experiment_id, _NAME, run_id, {"model_md5": md5}, params, "variational autoencoder"
    )
    images = load_prepared(prepared_path).validation.images[:_EXAMPLES]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / _NAME
        _save_pyfunc(path, images.reshape(len(images), -1).astype(np.float32), run_id, model.model_id, place)
        client.log_model_artifacts(model.model_id, str(place))
    client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=0)])
    client.finalize_logged_model(model.model_id, "READY")


def register(store: Store, run_id: str, alias: str) -> int:
    """Set the alias to the run's model, which becomes a version of REGISTERED if it is none yet. Returns the version.

    Raises UserError if the run has no finished model, and what MLflow raises.
    """
    import mlflow

    client = store.client
    models = client.search_logged_models([store.experiment_id], f"source_run_id = '{run_id}'")
    ready = [model for model in models if model.status == "READY"]
    if not ready:
        raise UserError(f"run {run_id} has no model")
    latest = max(ready, key=lambda model: model.creation_timestamp)
    if not client.search_registered_models(f"name = '{REGISTERED}'"):
        client.create_registered_model(REGISTERED)
    source = f"models:/{latest.model_id}"
    known = client.search_model_versions(f"name = '{REGISTERED}'")
    number = next((entry.version for entry in known if entry.source in {source, latest.artifact_location}), None)
    if number is None:
        mlflow.set_tracking_uri(client.tracking_uri)  # MLflow needs it to find the source
        number = client.create_model_version(REGISTERED, source, run_id, model_id=latest.model_id).version
    client.set_registered_model_alias(REGISTERED, alias, str(number))
    return int(number)


class ServedModel:
    """A model with the predict method that MLflow calls."""

    def __init__(self, model: TrainedModel):
        self._model, self._params = model.autoencoder, model.origin.params

    @torch.inference_mode()
    def predict(self, rows: np.ndarray, params: dict | None = None) -> np.ndarray:
        """Apply the method to rows (N, pixels or latent dimensions), and return rows (N, ...) of float32.

        Raises ValueError for an unknown method, rows of a wrong length, pixels that are not whole grey levels, codes
        that are not finite, and for sampling from a plain autoencoder.
        """
        chosen = {"method": "reconstruct", "seed": 0} | (params or {})
        match chosen["method"]:
            case "reconstruct":
                result = self._images(self._model.encode(self._grey_levels(rows)).mean)
            case "encode":
                result = self._model.encode(self._grey_levels(rows)).mean
            case "decode":
                result = self._images(self._codes(rows))
            case "sample":
                result = self._images(self._noise(len(rows), chosen["seed"]))
            case other:
                raise ValueError(f"method is {other!r}, but must be reconstruct, encode, decode or sample")
        return result.numpy()

    def _grey_levels(self, rows: np.ndarray) -> Tensor:
        size = self._params.image_size
        _check_shape(rows, size**2, "pixels")
        if not ((rows >= 0) & (rows <= WHITE) & (rows == np.round(rows))).all():
            raise ValueError(f"pixels must be whole grey levels from 0 to {WHITE}")
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
        return self._model.decode(codes).flatten(1) * WHITE


def _check_shape(rows: np.ndarray, wanted: int, what: str) -> None:
    if rows.ndim != 2 or rows.shape[1] != wanted:
        raise ValueError(f"each row must have {wanted} {what}, but the input has the shape {rows.shape}")


def _load_pyfunc(path: str) -> ServedModel:
    """Called by MLflow to load the model. Raises UserError for a file that is not a model."""
    return ServedModel(load_model(Path(path), torch.device("cpu")))


def _save_pyfunc(path: Path, example: np.ndarray, run_id: str, model_id: str, folder: Path) -> None:
    """Write the folder that `mlflow.pyfunc.load_model` loads: weights, code, signature, example, requirements."""
    from mlflow.models import Model, ModelSignature
    from mlflow.pyfunc import save_model
    from mlflow.types import ParamSchema, ParamSpec, Schema, TensorSpec

    # Images and codes are both rows of numbers: a column for each pixel, or for each latent dimension.
    rows = Schema([TensorSpec(np.dtype(np.float32), (-1, -1))])
    params = ParamSchema([ParamSpec("method", "string", "reconstruct"), ParamSpec("seed", "long", 0)])
    save_model(
        str(folder),
        loader_module=__name__,
        data_path=str(path),
        code_paths=[str(Path(str(mnist_vae.__file__)).parent)],
        mlflow_model=Model(model_id=model_id, model_uuid=model_id, run_id=run_id),
        signature=ModelSignature(rows, rows, params),
        input_example=example,
        pip_requirements=[f"{name}=={version(name)}" for name in _NEEDED],
    )
