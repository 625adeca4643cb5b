"""What the page's explorer needs of a model: its networks, the map of its codes, some test images."""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from mnist_vae.common.catalogue import CUSTOM, WHITE
from mnist_vae.common.params import FigureParams, ModelParams
from mnist_vae.data.latents import Latents
from mnist_vae.data.prepared import ClassNames, Split, class_number
from mnist_vae.figures.projection import LatentPlane, latent_plane
from mnist_vae.model.autoencoder import Autoencoder
from mnist_vae.page.export import Operation, UnsupportedLayerError, export, run
from mnist_vae.page.packing import CHARACTERS, count_weights, encode_array, encode_images, pack, quantise


class _Formats(NamedTuple):
    encoder: str
    decoder: str
    most_characters: int  # of base64 that both may take


# The best first: what is decoded is looked at, what is encoded is not. So a page of the default system has less than
# 1.5 MB, one of the deep network less than 3 MB.
_FORMATS = (
    _Formats("float16", "float16", 900_000),
    _Formats("int8", "float16", 900_000),
    _Formats("int8", "int8", 1_200_000),
    _Formats("int6", "int8", 12_000_000),
)
# Test images in the page: as few as the list of the nearest ones can do with. With 200 of MNIST's, 68 % of the six that
# lie nearest to another image are of its class; with 100 it is 54 %, with 300 73 %.
_MOST_TESTS, _TEST_CHARACTERS = 200, 100_000
_MOST_POINTS = 10_000  # of the map
_COMPARED = 100  # test images on which the page's precision is measured
_SLIDERS = 24
_STEPS = 65_535  # of a map's coordinate
_MARGIN = 0.05  # of the map beside the outermost points


class Drawing(NamedTuple):
    """How a drawing becomes an image of the data set.

    It is scaled into a box of `box` pixels, whose centre (or the drawing's centre of mass) is put in the middle of
    `side` pixels. With a `side` of 0 it is taken as it is. The ground has the grey level `ground`, and the ink is white
    on black or black on white.
    """

    subject: str
    side: int
    box: int
    by_mass: bool
    ground: int = 0


_DRAWINGS = {
    "mnist": Drawing("digit", 28, 20, by_mass=True),  # LeCun et al. 1998, section 3.1
    "fashion-mnist": Drawing("garment", 28, 28, by_mass=False),  # Xiao et al. 2017, section 2
    "kmnist": Drawing("character", 28, 28, by_mass=False),
    "digits": Drawing("digit", 8, 8, by_mass=False),
}


class Precision(NamedTuple):
    """The formats of the page's weights, and what they change: of brightness 0..1 the greatest difference between the
    page's images and the model's, decoded from the same codes and reconstructed.
    """

    encoder: str
    decoder: str
    decoded_off: float
    reconstructed_off: float


class ExplorerData(NamedTuple):
    """The explorer's data, to be written as JSON, and how exact its networks are."""

    content: dict
    precision: Precision


class Classes(NamedTuple):
    """The names of the classes, and the two between which the figures interpolate."""

    names: ClassNames
    figures: FigureParams


def explorer_data(
    model: Autoencoder, test: Split, latents: Latents, params: ModelParams, classes: Classes
) -> ExplorerData:
    """All that the explorer needs of a model, in evaluation mode and on the CPU.

    Raises UnsupportedLayerError for a network that the page cannot compute.
    """
    images = torch.from_numpy(test.images[:_COMPARED].copy())
    encoder = export(model.encoder, model.likelihood.scale(images))
    decoder = export(_with_sigmoid(model), torch.from_numpy(latents.mean[:_COMPARED].copy()))
    formats = _choose_formats(encoder, decoder)
    precision = _measure(model, images, encoder, decoder, formats)
    dark, bright = model.likelihood.scale(torch.tensor([0, WHITE], dtype=torch.uint8).reshape(2, 1, 1, 1)).ravel()
    least, greatest = _brightness(model, torch.tensor([0.0, 1.0]).reshape(2, 1, 1, 1)).ravel()
    content = {
        "size": params.image_size,
        "latent_dim": params.latent_dim,
        "variational": model.latent.has_prior,
        "encoder": pack(encoder, precision.encoder),
        "decoder": pack(decoder, precision.decoder),
        "input": {"offset": dark.item(), "scale": (bright - dark).item()},
        "output": {"offset": least.item(), "scale": (greatest - least).item()},
        "precision": precision._asdict(),
        "classes": classes.names,
        "map": _map(latents, has_prior=model.latent.has_prior),
        "dimensions": _dimensions(latents, has_prior=model.latent.has_prior),
        "tests": _tests(test),
        "drawing": _drawing(params.dataset, test)._asdict(),
        "anchors": _anchors(classes),
        "kl_quantiles": np.quantile(latents.kl.sum(axis=1, dtype=np.float64), [0.05, 0.5, 0.95]).round(2).tolist(),
    }
    return ExplorerData(content, precision)


def _with_sigmoid(model: Autoencoder) -> nn.Module:
    # The page maps an output to brightness linearly, so the sigmoid of logits must be the last layer of the decoder.
    return nn.Sequential(model.decoder, nn.Sigmoid()) if model.likelihood.is_binary else model.decoder


def _brightness(model: Autoencoder, output: Tensor) -> Tensor:
    return output if model.likelihood.is_binary else model.likelihood.brightness(output)


def _choose_formats(encoder: list[Operation], decoder: list[Operation]) -> _Formats:
    weights = count_weights(encoder), count_weights(decoder)

    def characters(formats: _Formats) -> float:
        return CHARACTERS[formats.encoder] * weights[0] + CHARACTERS[formats.decoder] * weights[1]

    for formats in _FORMATS:
        if characters(formats) <= formats.most_characters:
            return formats
    raise UnsupportedLayerError(f"the networks would take {characters(_FORMATS[-1]) / 1e6:.0f} MB of the page")


def _measure(
    model: Autoencoder,
    images: UInt8[Tensor, "N 1 S S"],
    encoder: list[Operation],
    decoder: list[Operation],
    formats: _Formats,
) -> Precision:
    encoder, decoder = quantise(encoder, formats.encoder), quantise(decoder, formats.decoder)
    with torch.inference_mode():
        codes = model.encode(images).mean
        expected = model.decode(codes)
        decoded = _brightness(model, run(decoder, codes))
        rounded_codes = model.latent.code(run(encoder, model.likelihood.scale(images))).mean
        reconstructed = _brightness(model, run(decoder, rounded_codes))
    off = [(made - expected).abs().max().item() for made in (decoded, reconstructed)]
    return Precision(formats.encoder, formats.decoder, *off)


def _map(latents: Latents, *, has_prior: bool) -> dict | None:
    """The plane of codes and where the test images' codes lie in it; None for codes of one dimension."""
    plane = latent_plane(latents.mean, has_prior=has_prior)
    if plane is None:
        return None
    count = len(latents.mean)
    shown = np.arange(count) if count <= _MOST_POINTS else np.linspace(0, count - 1, _MOST_POINTS).round().astype(int)
    points = plane.coordinates(latents.mean[shown])
    low, high = _frame(plane, points)
    steps = ((points - low) / (high - low) * _STEPS).round().astype(np.uint16)
    return {
        "points": encode_array(steps),
        "labels": encode_array(latents.labels[shown].astype(np.uint16)),
        "shown": len(shown),
        "count": count,
        "low": low.tolist(),
        "high": high.tolist(),
        "origin": encode_array(plane.origin.astype(np.float32)),
        "directions": encode_array(plane.directions.astype(np.float32)),
        "explained": None if plane.explained is None else plane.explained.tolist(),
    }


def _frame(plane: LatentPlane, points: Float[np.ndarray, "N 2"]) -> tuple[np.ndarray, np.ndarray]:
    """A square with the same scale on both axes, around all points."""
    low, high = points.min(axis=0), points.max(axis=0)
    half = max((high - low).max() / 2, plane.spread.max(), np.finfo(np.float32).tiny) * (1 + 2 * _MARGIN)
    middle = (low + high) / 2
    return middle - half, middle + half


def _dimensions(latents: Latents, *, has_prior: bool) -> dict:
    """The latent dimensions in which codes say most, by their KL or else by their variance; and the codes' spread."""
    deviation = latents.mean.std(axis=0, dtype=np.float64)
    said = latents.kl.mean(axis=0, dtype=np.float64) if has_prior else deviation
    order = said.argsort(kind="stable")[::-1][:_SLIDERS]
    return {
        "order": order.tolist(),
        "said": said[order].round(4).tolist(),
        "mean": encode_array(latents.mean.mean(axis=0, dtype=np.float64).astype(np.float32)),
        "deviation": encode_array(deviation.astype(np.float32)),
    }


def _tests(test: Split) -> dict:
    """The first test images of each class, in the test set's order; the first ones of all without classes."""
    order = test.labels.argsort(kind="stable")
    sorted_labels = test.labels[order]
    # How many images of its class come before each image: the first of all classes are chosen, then the second ones.
    rank = np.arange(len(order)) - np.searchsorted(sorted_labels, sorted_labels)
    candidates = order[np.lexsort((sorted_labels, rank))][:_MOST_TESTS]
    # Two at least, for the two ends of a path.
    count = max(2, _TEST_CHARACTERS * len(candidates) // len(encode_images(test.images[candidates, 0])))
    chosen = np.sort(candidates[:count])
    return {
        "images": encode_images(test.images[chosen, 0]),
        "labels": test.labels[chosen].tolist(),
        "numbers": chosen.tolist(),
    }


def _anchors(classes: Classes) -> list[int]:
    """The two classes of the interpolation, whose first test images are A and B; else the first two classes."""
    ends = [
        class_number(end, classes.names)
        for end in (classes.figures.interpolation_from, classes.figures.interpolation_to)
    ]
    return [0, 1] if None in ends or ends[0] == ends[1] else [end for end in ends if end is not None]


def _drawing(dataset: str, test: Split) -> Drawing:
    """How drawings become images. Custom ones are taken as they are, on the ground that the images' edges have."""
    if dataset != CUSTOM:
        return _DRAWINGS[dataset]
    images = test.images[:_COMPARED, 0]
    edges = np.concatenate([images[:, [0, -1]].ravel(), images[:, :, [0, -1]].ravel()])
    return Drawing("picture", 0, 0, by_mass=False, ground=WHITE if edges.mean() > WHITE / 2 else 0)
