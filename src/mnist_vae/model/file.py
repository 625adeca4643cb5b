"""The model's file: the weights and their origin."""

from pathlib import Path
from typing import NamedTuple

import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from mnist_vae.common.atomic import write_atomically
from mnist_vae.common.params import ModelParams
from mnist_vae.console.stage import UserError
from mnist_vae.model.autoencoder import Autoencoder, build_autoencoder

# There is only one entry, because safetensors writes several in an order that changes from run to run.
_ENTRY = "mnist_vae"


class Origin(BaseModel):
    """The origin of a model: its parameters, the md5 of its prepared data, and the fingerprint of its training.

    `train_size` is the number of training images of custom data, which no parameter gives. Otherwise it is None.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    params: ModelParams
    data_md5: str
    fingerprint: str
    train_size: int | None = None

    @property
    def steps(self) -> int:
        """The steps of the whole training."""
        count = self.params.train_size if self.train_size is None else self.train_size
        return sum(self.params.steps_of_epochs(count or 0))


class TrainedModel(NamedTuple):
    """A model in evaluation mode, and its origin."""

    autoencoder: Autoencoder
    origin: Origin


def save_model(autoencoder: Autoencoder, origin: Origin, path: Path) -> None:
    """Write the weights and their origin to a safetensors file."""
    weights = {name: tensor.contiguous().cpu() for name, tensor in autoencoder.state_dict().items()}
    write_atomically(save(weights, {_ENTRY: origin.model_dump_json(exclude_none=True)}), path)


def load_origin(path: Path) -> Origin:
    """Only the origin of the model in a file. Raises UserError as load_model does."""
    try:
        with safe_open(path, "pt") as file:
            return Origin.model_validate_json((file.metadata() or {})[_ENTRY])
    except FileNotFoundError:
        raise UserError(f"{path} is missing: run `dvc repro train`") from None
    except (SafetensorError, OSError, KeyError, ValidationError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{path} is not a model of this project ({reason}): delete it and run `dvc repro`") from None


def load_model(path: Path, device: torch.device) -> TrainedModel:
    """The model in a file, built with its own parameters. Raises UserError if the file is missing or no valid model."""
    origin = load_origin(path)
    autoencoder = build_autoencoder(origin.params)
    with safe_open(path, "pt") as file:
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is not a dict)
    shapes = {name: tensor.shape for name, tensor in weights.items()}
    wanted = {name: tensor.shape for name, tensor in autoencoder.state_dict().items()}
    if wrong := sorted(name for name in shapes.keys() | wanted.keys() if shapes.get(name) != wanted.get(name)):
        raise UserError(
            f"{path} does not fit its own parameters ({len(wrong)} tensors, such as {wrong[0]}): delete it and run"
            " `dvc repro`"
        )
    if spoilt := sorted(name for name, tensor in weights.items() if not tensor.isfinite().all()):
        raise UserError(f"{path} contains numbers that are not finite, in {spoilt[0]}: delete it and run `dvc repro`")
    autoencoder.load_state_dict(weights)
    return TrainedModel(autoencoder.to(device).eval(), origin)
