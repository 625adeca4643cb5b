"""The parameters in params.yaml: their types, their allowed values, and which stage reads which."""

from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from mnist_vae.datasets import DATASETS
from mnist_vae.stage import StageError

# By how much each network divides the image's side: its image sizes are the multiples of this.
DOWNSAMPLING = {"conv": 8}

_LONGEST_HINT = 20  # digits

_Positive = Annotated[int, Field(ge=1)]
_Class = Annotated[int, Field(ge=0, le=9)]
_Decay = Annotated[float, Field(ge=0, lt=1)]


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


class DataParams(_Group):
    """What decides the prepared data."""

    seed: Annotated[int, Field(ge=0, lt=2**63)]
    dataset: Literal["mnist", "fashion-mnist", "kmnist", "digits"]
    image_size: Annotated[int, Field(ge=16, le=512)]
    validation_size: _Positive


class ModelParams(DataParams):
    """What decides a trained model; kept inside it."""

    network: Literal["conv"]
    latent_dim: _Positive
    base_channels: _Positive
    reconstruction: Literal["squared_error", "bernoulli"]
    reduction: Literal["mean", "sum"]
    kl_weight: Annotated[float, Field(ge=0)]
    epochs: _Positive
    batch_size: _Positive
    learning_rate: Annotated[float, Field(gt=0)]
    # YAML has lists only, so the pair itself is not taken strictly; its two numbers are.
    adam_betas: Annotated[tuple[_Decay, _Decay], Field(strict=False)]
    device: Literal["auto", "cpu", "cuda", "mps"]
    threads: Annotated[int, Field(ge=1, le=1024)]


class FigureParams(_Group):
    """What decides the figures of a given model."""

    interpolation_from: _Class
    interpolation_to: _Class
    interpolation_steps: Annotated[int, Field(ge=2, le=10_000)]


class Params(FigureParams, ModelParams):
    """All of params.yaml."""

    def of_model(self) -> ModelParams:
        """The parameters that decide the model."""
        return ModelParams.model_validate({name: getattr(self, name) for name in ModelParams.model_fields})

    def of_figures(self) -> FigureParams:
        """The parameters that decide the figures."""
        return FigureParams.model_validate({name: getattr(self, name) for name in FigureParams.model_fields})

    @model_validator(mode="after")
    def _check_combinations(self) -> "Params":
        multiple = DOWNSAMPLING[self.network]
        if self.image_size % multiple:
            raise ValueError(
                f"image_size is {self.image_size}, but network {self.network} needs a multiple of {multiple}"
            )
        left = DATASETS[self.dataset].train_size - self.validation_size
        if left < self.batch_size:
            raise ValueError(
                f"validation_size is {self.validation_size}, which leaves {max(left, 0)} of the training images of"
                f" {self.dataset}; batch_size is {self.batch_size}, and at least one whole batch must remain"
            )
        if self.interpolation_from == self.interpolation_to:
            raise ValueError(
                f"interpolation_to is {self.interpolation_to}, but must be another class than interpolation_from"
            )
        return self


class _UniqueKeyLoader(yaml.SafeLoader):
    """YAML forbids a key twice in a mapping; PyYAML would take the last one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:  # noqa: FBT001, FBT002
        keys = [key.value for key, _ in node.value]
        if twice := [key for key in keys if keys.count(key) > 1]:
            raise yaml.constructor.ConstructorError(None, None, f"{twice[0]} stands there twice", node.start_mark)
        return super().construct_mapping(node, deep)


def load_params(path: Path) -> Params:
    """The parameters in a YAML file. Raises StageError with each wrong key, its value and what is allowed."""
    try:
        content = yaml.load(path.read_text(), _UniqueKeyLoader)  # noqa: S506 (it is a SafeLoader)
    except FileNotFoundError:
        raise StageError(f"{path} is missing: bring it back by `git restore {path}`") from None
    except (OSError, UnicodeDecodeError) as error:
        raise StageError(f"{path} cannot be read: {error}") from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: what looks like a date but is none
        raise StageError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    try:
        return Params.model_validate(content)
    except ValidationError as error:
        raise StageError(f"{path}: {'; '.join(_complaint(one) for one in error.errors())}") from None


def _complaint(error: ErrorDetails) -> str:
    key, value = ".".join(map(str, error["loc"])), error["input"]
    match error["type"]:
        case "missing":
            return f"{key} is missing"
        case "extra_forbidden":
            return f"{key} (value {value!r}) is no parameter; those are {', '.join(Params.model_fields)}"
        case "invalid_key":
            return f"{value!r} is no parameter: a key must be text"
        case "value_error":
            return error["msg"].removeprefix("Value error, ")
        case "model_type":
            return f"holds {value!r}, not a line `key: value` for each parameter"
        case "too_long" | "tuple_type":
            allowed = "a list of two numbers"
        case _:
            allowed = error["msg"].removeprefix("Input should be ")
    return f"{key} is {value!r}, but must be {allowed}{_yaml_hint(value)}"


def _yaml_hint(value: object) -> str:
    try:
        number = Decimal(value) if isinstance(value, str) else Decimal("nan")
    except InvalidOperation:
        number = Decimal("nan")
    plain = number.is_finite() and abs(number.adjusted()) < _LONGEST_HINT
    return f" (YAML reads {value} as text: write {number:f})" if plain else ""
