"""The parameters in params.yaml: their types, their allowed values, and which stage reads which."""

from decimal import Decimal, InvalidOperation
from math import ceil
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, ValidationError, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from mnist_vae.common.catalogue import CUSTOM, DATASETS, DIGITS, LAROCHELLE_SIDE, LAROCHELLE_SIZES
from mnist_vae.common.yaml12 import load_yaml
from mnist_vae.console.stage import UserError

Size = int | float  # of a split: a number of images, or a share of them
_LONGEST_HINT = 20  # digits
_MOST_EPOCHS = 1_000_000


def _check_size(value: Any) -> int | float:
    is_count = isinstance(value, int) and not isinstance(value, bool) and value >= 1
    if is_count or (isinstance(value, float) and 0 < value < 1):
        return value
    raise PydanticCustomError("size", "a whole number of images, at least 1, or a share of them between 0 and 1")


def _check_epochs(value: Any) -> int | float:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= _MOST_EPOCHS:
        return int(value) if value == int(value) else value  # 10.0 and 10 are the same training
    raise PydanticCustomError("epochs", "a number above 0 and at most {most}", {"most": _MOST_EPOCHS})


def _check_class(value: Any) -> int | str:
    is_number = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    if is_number or (isinstance(value, str) and value.strip()):
        return value
    raise PydanticCustomError("class", "the name of a class, or its number, counted from 0")


_Positive = Annotated[int, Field(ge=1)]
_Width = Annotated[int, Field(ge=1, le=65_536)]
_Size = Annotated[int | float, PlainValidator(_check_size)]
_Epochs = Annotated[int | float, PlainValidator(_check_epochs)]
_Class = Annotated[int | str, PlainValidator(_check_class)]
_Decay = Annotated[float, Field(ge=0, lt=1)]
_NonNegative = Annotated[float, Field(ge=0)]
# YAML has only lists, so a list is accepted for a tuple. The numbers in it are checked strictly.
_Widths = Annotated[tuple[_Width, ...], Field(strict=False, min_length=1, max_length=20)]


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


class DataParams(_Group):
    """The parameters that decide the prepared data of every data set."""

    seed: Annotated[int, Field(ge=0, lt=2**63)]
    dataset: Literal["mnist", "fashion-mnist", "kmnist", "digits", "custom"]
    image_size: Annotated[int, Field(ge=16, le=512)]
    binarisation: Literal["none", "dynamic", "fixed", "larochelle"]
    validation_size: _Size


class CustomParams(_Group):
    """The further parameters that decide the prepared data of custom images. Other data sets ignore them."""

    aspect: Literal["pad", "crop", "stretch"]
    transpose: bool
    test_size: _Size


class ModelParams(DataParams):
    """The parameters that decide a trained model. They are stored in its file."""

    network: Literal["conv", "deep", "mlp", "conv_dense"]
    variational: bool
    latent_dim: _Width
    conv_channels: _Widths
    deep_channels: _Widths
    mlp_widths: _Widths
    activation: Literal["relu", "tanh", "silu"]
    output_bias: Literal["random", "mean_image"]
    reconstruction: Literal["squared_error", "squared_error_sigmoid", "bernoulli"]
    reduction: Literal["mean", "sum"]
    importance_samples: Annotated[int, Field(ge=1, le=10_000)]
    sticking_the_landing: bool
    kl_weight: _NonNegative
    kl_warmup_epochs: Annotated[int, Field(ge=0)]
    free_nats: _NonNegative
    epochs: _Epochs
    batch_size: _Positive
    learning_rate: Annotated[float, Field(gt=0)]
    learning_rate_schedule: Literal["constant", "linear", "one_cycle"]
    adam_betas: Annotated[tuple[_Decay, _Decay], Field(strict=False)]
    adam_epsilon: Annotated[float, Field(gt=0, le=1)]
    device: Literal["auto", "cpu", "cuda", "mps"]
    threads: Annotated[int, Field(ge=1, le=1024)]
    processes: Annotated[int, Field(ge=1, le=1024)]
    deterministic: bool
    precision: Literal["float32", "tf32", "bfloat16"]

    @property
    def train_size(self) -> int | None:
        """The number of training images without validation images. None for custom images: no parameter gives it."""
        if self.dataset == CUSTOM:
            return None
        count = DATASETS[self.dataset].train_size
        return max(count - image_count(self.validation_size, count), 0)

    @property
    def epoch_count(self) -> int:
        """The number of epochs, the last of which may be shorter."""
        return ceil(self.epochs)

    def images_of_epochs(self, train_size: int) -> list[int]:
        """How many training images each epoch takes. The last one takes a part if `epochs` is not a whole number."""
        whole = int(self.epochs)
        return [train_size] * whole + ([round((self.epochs - whole) * train_size)] if self.epochs > whole else [])

    def steps_of_epochs(self, train_size: int) -> list[int]:
        """The number of steps in each epoch. The last step of an epoch takes the remaining images."""
        return [-(-images // self.batch_size) for images in self.images_of_epochs(train_size)]

    @property
    def samples_the_bound(self) -> bool:
        """Whether the loss is the bound of sampled codes, rather than the terms with the KL in closed form."""
        return self.importance_samples > 1 or self.sticking_the_landing

    @property
    def widths(self) -> tuple[int, ...]:
        """The widths of the network's levels: channels of convolutions, or units of hidden layers."""
        return {
            "conv": self.conv_channels,
            "conv_dense": self.conv_channels,
            "deep": self.deep_channels,
            "mlp": self.mlp_widths,
        }[self.network]

    @property
    def size_multiple(self) -> int:
        """image_size must be a multiple of this number, because each convolution halves the side."""
        return 1 if self.network == "mlp" else 2 ** len(self.widths)


class EvaluationParams(_Group):
    """What is measured of a given model."""

    likelihood_samples: Annotated[int, Field(ge=0, le=1_000_000)]


class FigureParams(_Group):
    """The parameters that decide the figures of a given model."""

    interpolation_from: _Class
    interpolation_to: _Class
    interpolation_steps: Annotated[int, Field(ge=2, le=10_000)]
    fitted_components: Annotated[int, Field(ge=1, le=1000)]


class Params(FigureParams, EvaluationParams, CustomParams, ModelParams):
    """All of params.yaml."""

    custom_data: str

    def of_model(self) -> ModelParams:
        """The parameters that decide the model.

        validation_size becomes a number if the data set's size is known, so that a number and the equal share give the
        same model.
        """
        values = {name: getattr(self, name) for name in ModelParams.model_fields}
        if self.dataset != CUSTOM:
            values["validation_size"] = image_count(self.validation_size, DATASETS[self.dataset].train_size)
        return ModelParams.model_validate(values)

    def of_custom(self) -> CustomParams:
        """The parameters that decide the prepared data of custom images."""
        return CustomParams.model_validate({name: getattr(self, name) for name in CustomParams.model_fields})

    def complaint_about(self, train_size: int) -> str | None:
        """Why a training on that many images, or its figures, are impossible; None if they are possible."""
        if train_size < self.batch_size:
            return (
                f"validation_size is {self.validation_size}, which leaves {train_size} training images of"
                f" {self.dataset}, but batch_size is {self.batch_size}:"
                " lower one of them, because at least one whole batch must remain"
            )
        of_epochs = self.images_of_epochs(train_size)
        if of_epochs[-1] < self.batch_size:
            return (
                f"epochs is {self.epochs}, which gives the last epoch {of_epochs[-1]} training images, but batch_size"
                f" is {self.batch_size}: change one of them, because an epoch needs at least one whole batch"
            )
        is_one_pixel = self.image_size == self.size_multiple and self.network != "conv_dense"
        for images, epochs in ((of_epochs[0], ""), (of_epochs[-1], f" and epochs is {self.epochs}")):
            if is_one_pixel and (images - 1) % self.batch_size == 0:
                return (
                    f"batch_size is {self.batch_size}{epochs}, which leaves a last batch of one image: choose another,"
                    f" because network {self.network} reduces the image to one pixel, and batch norm needs more than"
                    " one value"
                )
        if self.fitted_components > train_size:
            return (
                f"fitted_components is {self.fitted_components}, but must be at most {train_size}, the number of"
                " training images"
            )
        return None

    def of_evaluation(self) -> EvaluationParams:
        """The parameters that decide what is measured."""
        return EvaluationParams(likelihood_samples=self.likelihood_samples)

    def of_figures(self) -> FigureParams:
        """The parameters that decide the figures."""
        return FigureParams.model_validate({name: getattr(self, name) for name in FigureParams.model_fields})

    @model_validator(mode="after")
    def _check_processes(self) -> "Params":
        if self.batch_size < self.processes:
            raise ValueError(
                f"batch_size is {self.batch_size}, but must be at least processes, which is {self.processes}: each"
                " process takes a part of every batch"
            )
        if self.device == "mps" and self.processes > 1:
            raise ValueError(f"processes is {self.processes}, but must be 1 if device is mps")
        return self

    @model_validator(mode="after")
    def _check_combinations(self) -> "Params":
        multiple = self.size_multiple
        if self.image_size % multiple:
            raise ValueError(
                f"image_size is {self.image_size}, but network {self.network} needs a multiple of {multiple}"
            )
        for name in ("kl_warmup_epochs", "free_nats"):
            if getattr(self, name) and self.variational and not self.kl_weight:
                raise ValueError(f"{name} is {getattr(self, name)}, but must be 0 if kl_weight is 0: it has no effect")
        if self.kl_warmup_epochs >= self.epochs:
            raise ValueError(
                f"kl_warmup_epochs is {self.kl_warmup_epochs}, but must be less than epochs, which is {self.epochs}"
            )
        return self

    @model_validator(mode="after")
    def _check_binarisation(self) -> "Params":
        bits = self.binarisation
        if bits != "none" and self.reconstruction != "bernoulli":
            raise ValueError(
                f"binarisation is {bits}, but must be none if reconstruction is {self.reconstruction}: only bernoulli"
                " is a likelihood of black and white pixels"
            )
        if bits == "larochelle":
            needed = {"dataset": "mnist", "image_size": LAROCHELLE_SIDE, "validation_size": LAROCHELLE_SIZES[1]}
            for name, value in needed.items():
                if getattr(self, name) != value:
                    raise ValueError(
                        f"{name} is {getattr(self, name)}, but must be {value} if binarisation is larochelle:"
                        " Larochelle's files fix the images and the split"
                    )
        return self

    @model_validator(mode="after")
    def _check_likelihood(self) -> "Params":
        if self.output_bias == "mean_image":
            for name, value, reason in (
                ("network", "mlp", "only the decoder of mlp has a bias for each pixel"),
                ("reconstruction", "bernoulli", "only bernoulli has logits as outputs"),
            ):
                if getattr(self, name) != value:
                    raise ValueError(
                        f"output_bias is mean_image, but must be random if {name} is {getattr(self, name)}: {reason}"
                    )
        return self

    @model_validator(mode="after")
    def _check_bound(self) -> "Params":
        several = self.importance_samples > 1
        if several and self.sticking_the_landing:
            raise ValueError(
                f"sticking_the_landing is True, but must be False if importance_samples is {self.importance_samples}:"
                " the gradient of the importance-weighted bound is doubly reparameterized instead"
            )
        # The terms as sums, each with its whole weight.
        needed = {"variational": True, "reduction": "sum", "kl_weight": 1, "free_nats": 0}
        for name, value in needed.items() if self.samples_the_bound else ():
            if getattr(self, name) != value:
                refused = "sticking_the_landing is True, but must be False"
                if several:
                    refused = f"importance_samples is {self.importance_samples}, but must be 1"
                raise ValueError(
                    f"{refused} if {name} is {getattr(self, name)}: the loss must be a bound on log p(x), which needs"
                    f" {name} {value}"
                )
        return self

    @model_validator(mode="after")
    def _check_data(self) -> "Params":
        if not self.custom_data.isprintable():
            raise ValueError(f"custom_data is {self.custom_data!r}, but must be a path of printable characters")
        if self.dataset == CUSTOM and not self.custom_data.strip():
            raise ValueError("dataset is custom, but custom_data is empty: name your folder of images or IDX files")
        if self.dataset != CUSTOM and image_count(self.validation_size, DATASETS[self.dataset].train_size) < 1:
            raise ValueError(
                f"validation_size is {self.validation_size}, which selects no image of {self.dataset}: raise it"
            )
        if self.train_size is not None and (complaint := self.complaint_about(self.train_size)):
            raise ValueError(complaint)
        for name in ("interpolation_from", "interpolation_to"):
            if self.dataset != CUSTOM and getattr(self, name) not in range(len(DIGITS)):
                raise ValueError(
                    f"{name} is {getattr(self, name)!r}, but must be a class of {self.dataset}, from 0 to"
                    f" {len(DIGITS) - 1}"
                )
        if self.interpolation_from == self.interpolation_to:
            raise ValueError(f"interpolation_to is {self.interpolation_to}, but must differ from interpolation_from")
        return self


def image_count(size: Size, count: int) -> int:
    """The number of images for a size, which is a number itself or a share of `count`; a share is rounded."""
    return size if isinstance(size, int) else round(size * count)


def load_params(path: Path) -> Params:
    """The parameters in a YAML file. Raises UserError with each wrong key, its value and what is allowed."""
    return check_params(load_yaml(path), str(path))


def check_params(content: object, source: str) -> Params:
    """The parameters in a mapping. Raises UserError with the source, each wrong key, its value and what is allowed."""
    try:
        return Params.model_validate(content)
    except ValidationError as error:
        raise UserError(f"{source}: {'; '.join(_complaint(one) for one in error.errors())}") from None


def _complaint(error: ErrorDetails) -> str:
    key, value = ".".join(map(str, error["loc"])), error["input"]
    key = key if key.isprintable() else repr(key)  # the complaint is one line
    match error["type"]:
        case "missing":
            return f"{key} is missing"
        case "extra_forbidden":
            return f"{key} (value {value!r}) is not a parameter; the parameters are {', '.join(Params.model_fields)}"
        case "invalid_key":
            return f"{value!r} is not a parameter: a key must be text"
        case "value_error":
            return error["msg"].removeprefix("Value error, ")
        case "model_type":
            return f"holds {value!r}, not a line `key: value` for each parameter"
        case "too_short" | "too_long" | "tuple_type":
            allowed = "a list of two numbers" if key == "adam_betas" else "a list of 1 to 20 whole numbers"
        case _:
            allowed = error["msg"].removeprefix("Input should be ")
    return f"{key} is {value!r}, but must be {allowed}{_yaml_hint(value)}"


def _yaml_hint(value: object) -> str:
    try:
        number = Decimal(value) if isinstance(value, str) else Decimal("nan")
    except InvalidOperation:
        number = Decimal("nan")
    plain = number.is_finite() and abs(number.adjusted()) < _LONGEST_HINT
    return f" (that is a text: write {number:f}, without quotes)" if plain else ""
