"""Small things to test with: parameters, images, a model, a data set with its files."""

import gzip
import hashlib
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from mnist_vae.common.catalogue import Dataset, SourceFile
from mnist_vae.common.params import Params
from mnist_vae.data.history import EpochHistory, EpochRow, StepRow
from mnist_vae.data.latents import Latents
from mnist_vae.model.autoencoder import Autoencoder, build_autoencoder
from mnist_vae.model.file import Origin
from mnist_vae.model.posterior import GaussianCode
from mnist_vae.training.adam import Adam

TINY = {
    "seed": 0,
    "dataset": "digits",
    "image_size": 16,
    "binarisation": "none",
    "validation_size": 98,
    "custom_data": "",
    "aspect": "pad",
    "transpose": False,
    "test_size": 0.2,
    "network": "conv",
    "variational": True,
    "latent_dim": 3,
    "conv_channels": [2, 4, 8],
    "deep_channels": [2, 3],
    "mlp_widths": [5],
    "activation": "relu",
    "output_bias": "random",
    "reconstruction": "squared_error",
    "reduction": "mean",
    "importance_samples": 1,
    "sticking_the_landing": False,
    "kl_weight": 0.1,
    "kl_warmup_epochs": 0,
    "free_nats": 0,
    "epochs": 1,
    "batch_size": 8,
    "learning_rate": 0.001,
    "learning_rate_schedule": "constant",
    "adam_betas": [0.5, 0.999],
    "adam_epsilon": 0.00000001,
    "device": "cpu",
    "threads": 1,
    "processes": 1,
    "deterministic": True,
    "precision": "float32",
    "likelihood_samples": 20,
    "interpolation_from": 1,
    "interpolation_to": 8,
    "interpolation_steps": 5,
    "fitted_components": 1,
}

# The changes for a plain autoencoder.
PLAIN = {"variational": False, "kl_weight": 0}


# The names of all figures, in the order in which they are drawn.
FIGURES = [
    "reconstructions",
    "classes",
    "samples",
    "perturbed",
    "fitted_samples",
    "class_means",
    "interpolation",
    "scatter",
    "plane",
    "latent_dimensions",
    "training",
]


def epoch_row(epoch: int = 1, **values: float) -> EpochRow:
    """A row of epochs.csv with the given values, and made-up ones in the other columns."""
    others = {name: epoch + place / 8 for place, name in enumerate(EpochRow._fields[1:])}
    return EpochRow(epoch=epoch, **others | values)


def epoch_history(epoch: int = 1, steps: int = 3, images_per_second: float = 100.0) -> EpochHistory:
    """The history of an epoch of that many steps."""
    numbers = range((epoch - 1) * steps + 1, epoch * steps + 1)
    return EpochHistory(epoch_row(epoch), [StepRow(epoch, number, number / 8) for number in numbers], images_per_second)


def tiny_params(**changes: object) -> Params:
    return Params.model_validate(TINY | changes)


def tiny_model(**changes: object) -> Autoencoder:
    return build_autoencoder(tiny_params(**changes).of_model())


def adam_of(model: Autoencoder, rate: float = 0.001) -> Adam:
    return Adam(model.parameters(), rate, (0.9, 0.999), 1e-8)


def tiny_origin(fingerprint: str = "f" * 16) -> Origin:
    return Origin(params=tiny_params().of_model(), data_md5="d" * 32, fingerprint=fingerprint)


def gaussian_code(model: Autoencoder, images: Tensor) -> GaussianCode:
    """The code of a model that must be variational."""
    code = model.encode(images)
    assert isinstance(code, GaussianCode)
    return code


class Twin(Protocol):
    """A model that is written out from torch's own layers."""

    def encode(self, images: Tensor, /) -> tuple[Tensor, Tensor]:
        """Means and log variances of scaled images."""
        ...

    def decode(self, codes: Tensor, /) -> Tensor:
        """The last activation's output."""
        ...


def assert_equals_twin(model: Autoencoder, twin: Twin, size: int, reconstruction: str) -> None:
    """The model encodes and decodes as its twin does, up to the brightness that the output stands for."""
    images = tiny_images(5, size=size)
    code, (mean, log_variance) = gaussian_code(model, images), twin.encode(model.likelihood.scale(images))
    torch.testing.assert_close(code.mean, mean)
    torch.testing.assert_close(code.log_variance, log_variance)
    output = twin.decode(mean)
    brightness = (output + 1) / 2 if reconstruction == "squared_error" else output
    torch.testing.assert_close(model.decode(mean), brightness)


def tiny_images(count: int, seed: int = 0, size: int = 16) -> Tensor:
    """Random grey levels (count, 1, size, size)."""
    source = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, 1, size, size), generator=source, dtype=torch.uint8)


def tiny_labels(count: int) -> np.ndarray:
    """Labels of all ten classes in random order, in unequal numbers."""
    drawn = np.random.default_rng(0).integers(0, 10, count - 10)
    return np.random.default_rng(1).permutation(np.concatenate([np.arange(10), drawn])).astype(np.uint8)


def tiny_latents(count: int, latent_dim: int = 3) -> Latents:
    random = np.random.default_rng(2)
    mean = random.standard_normal((count, latent_dim)).astype(np.float32)
    kl = random.exponential(size=(count, latent_dim)).astype(np.float32)
    train_mean = random.standard_normal((count + 9, latent_dim)).astype(np.float32)
    return Latents(mean, kl, tiny_labels(count), train_mean)


class MadeUpData(NamedTuple):
    """A made-up data set, with the content of its four files."""

    dataset: Dataset
    contents: dict[str, bytes]
    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray

    def write(self, folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in self.contents.items():
            (folder / name).write_bytes(content)
        return folder


def made_up_data(train_size: int = 30, test_size: int = 12) -> MadeUpData:
    """Random images of 28×28 in gzipped IDX files. The first pixel of each image is its number."""
    random = np.random.default_rng(3)
    images = random.integers(0, 256, (train_size + test_size, 28, 28)).astype(np.uint8)
    images[:, 0, 0] = np.arange(len(images))
    labels = random.integers(0, 10, len(images)).astype(np.uint8)
    split = images[:train_size], labels[:train_size], images[train_size:], labels[train_size:]
    names = [
        f"{part}-ubyte.gz"
        for part in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    ]
    contents = {name: gzip.compress(plain_idx(array), mtime=0) for name, array in zip(names, split, strict=True)}
    sums = [[hashlib.md5(form).hexdigest() for form in (one, gzip.decompress(one))] for one in contents.values()]
    files = [SourceFile(name, *both) for name, both in zip(contents, sums, strict=True)]
    dataset = Dataset("Made up", train_size, test_size, *files, torchvision_class="MNIST")
    return MadeUpData(dataset, contents, *split)


def plain_idx(array: np.ndarray) -> bytes:
    """The content of an IDX file, written independently of the package, from the format's description."""
    header = bytes([0, 0, 8, array.ndim])
    for size in array.shape:
        header += size.to_bytes(4, "big")
    return header + array.tobytes()
