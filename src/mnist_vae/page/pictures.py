"""The pictures that a run has, with what is to be seen on each; or why it has none of a name."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from mnist_vae.common.params import FigureParams
from mnist_vae.figures.arrays import Pictures
from mnist_vae.figures.grids import interpolation_strip
from mnist_vae.page.images import image_grid

_STRIP = 12  # images of an interpolation


class Picture(NamedTuple):
    """A picture's heading, what it shows, its alternative text, and its address; or why there is none of it."""

    title: str
    caption: str
    alternative: str = ""
    address: str = ""
    columns: tuple[str, ...] = ()
    wide: bool = False
    absence: str = ""


def page_pictures(pictures: Pictures, params: FigureParams, absences: Mapping[str, str]) -> list[Picture]:
    """Each picture. `absences` says by figure why a model has none."""
    shown = [*_of_images(pictures), _interpolation(pictures, params), *_samples(pictures, params), *_around(pictures)]
    titles = {"samples": "Samples from the prior", "perturbed": "Codes with noise added", "plane": "The plane of codes"}
    missing = [Picture(titles[name], "", absence=absences[name]) for name in titles if name in absences]
    return [*shown, *missing]


def _of_images(pictures: Pictures) -> list[Picture]:
    return [
        Picture(
            "Reconstructions",
            "The first twenty test images; below each row what the model makes of them. Look for strokes that are lost"
            " or closed.",
            "Two rows of ten test images, each above its reconstructions",
            image_grid(pictures.reconstructions),
            wide=True,
        ),
        Picture(
            "Class means",
            "The mean code of each class, decoded. A clear digit means that the codes of its class lie together.",
            "Ten digits, decoded from the mean codes of the classes",
            image_grid(pictures.class_means),
            tuple(map(str, range(pictures.class_means.shape[1]))),
            wide=True,
        ),
        Picture(
            "Test images by class",
            "The first of each class.",
            "Test images, a row for each class",
            image_grid(pictures.class_originals),
        ),
        Picture(
            "Reconstructed by class",
            "The same images, encoded and decoded.",
            "Reconstructions, a row for each class",
            image_grid(pictures.class_reconstructions),
        ),
    ]


def _interpolation(pictures: Pictures, params: FigureParams) -> Picture:
    strip = interpolation_strip(pictures.straight_interpolation, pictures.spherical_interpolation, _STRIP)
    rows = "Above along the straight line, below around the origin." if len(strip.images) > 1 else "Along the line."
    return Picture(
        f"From {params.interpolation_from} to {params.interpolation_to}",
        f"Between the mean codes of two classes. {rows}",
        "A row of images that turns from one digit into another",
        image_grid(strip.images),
        tuple(strip.columns),
        wide=True,
    )


def _samples(pictures: Pictures, params: FigureParams) -> Iterator[Picture]:
    if pictures.samples is not None:
        yield Picture(
            "Samples from the prior",
            "Decoded standard normal noise: what the model imagines. The more look like digits, the better the codes"
            " fill the prior.",
            "A hundred images decoded from random codes",
            image_grid(pictures.samples),
        )
    fitted = "a Gaussian" if params.fitted_components == 1 else f"{params.fitted_components} Gaussians"
    yield Picture(
        "Samples from a fit",
        f"Decoded draws from {fitted} fitted to the codes of the training images. If these are better than samples from"
        " the prior, the codes leave holes in it.",
        "A hundred images decoded from codes drawn from the fitted distribution",
        image_grid(pictures.fitted_samples),
    )


def _around(pictures: Pictures) -> Iterator[Picture]:
    if pictures.perturbed is not None:
        yield Picture(
            "Codes with noise added",
            "A row for each class: a test image, its reconstruction, then the same code with standard normal noise.",
            "Rows of a test image, its reconstruction and eight variations",
            image_grid(pictures.perturbed),
        )
    if pictures.plane is not None:
        # Half of the rows and columns, the same on both sides of the middle.
        side = len(pictures.plane)
        half = np.r_[0 : side // 2 : 2, side // 2 + 1 : side : 2]
        yield Picture(
            "The plane of codes",
            "What the plane of the explorer's map decodes to, at equal quantiles: each step crosses as many codes.",
            "A grid of images that change gradually across and down",
            image_grid(pictures.plane[half][:, half]),
        )
