"""The pictures that a run has, with what is to be seen on each; or why it has none of a name."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from mnist_vae.common.params import FigureParams
from mnist_vae.data.prepared import ClassNames, class_number
from mnist_vae.figures.arrays import Pictures
from mnist_vae.figures.grids import interpolation_strip
from mnist_vae.page.explorer import Classes
from mnist_vae.page.images import image_grid

_STRIP = 12  # images of an interpolation
_MOST_ROWS = 10  # of a picture with a row for each class
_A_ROW = 10  # images of classes
# What a picture is called if it is missing, by the name of its figure.
_TITLES = {
    "class_means": "Class means",
    "classes": "Test images by class",
    "interpolation": "From class to class",
    "samples": "Samples from the prior",
    "perturbed": "Codes with noise added",
    "plane": "The plane of codes",
}


class Picture(NamedTuple):
    """A picture's heading, what it shows, its alternative text, and its address; or why there is none of it."""

    title: str
    caption: str
    alternative: str = ""
    address: str = ""
    columns: tuple[str, ...] = ()
    wide: bool = False
    absence: str = ""


def page_pictures(pictures: Pictures, classes: Classes, absences: Mapping[str, str]) -> list[Picture]:
    """Each picture. `absences` says by figure why a model has none."""
    shown = [
        *_of_images(pictures, classes.names),
        *_interpolation(pictures, classes),
        *_samples(pictures, classes.figures),
        *_around(pictures, classes.names),
    ]
    return [
        *shown,
        *(Picture(title, "", absence=absences[name]) for name, title in _TITLES.items() if name in absences),
    ]


def _of_images(pictures: Pictures, names: ClassNames) -> Iterator[Picture]:
    columns = pictures.reconstructions.shape[1]
    yield Picture(
        "Reconstructions",
        f"The first {2 * columns} test images; below each row what the model makes of them. Look for strokes that are"
        " lost or closed.",
        f"Two rows of {columns} test images, each above its reconstructions",
        image_grid(pictures.reconstructions),
        wide=True,
    )
    if pictures.class_means is not None:
        yield _class_means(pictures.class_means, names)
    if pictures.class_originals is not None and pictures.class_reconstructions is not None:
        rows = _rows_of(names)
        yield Picture(
            "Test images by class",
            f"The first ones of each class. {rows}",
            "Test images, a row for each class",
            image_grid(pictures.class_originals[:_MOST_ROWS]),
        )
        yield Picture(
            "Reconstructed by class",
            "The same images, encoded and decoded.",
            "Reconstructions, a row for each class",
            image_grid(pictures.class_reconstructions[:_MOST_ROWS]),
        )


def _class_means(means: Float[np.ndarray, "1 classes S S"], names: ClassNames) -> Picture:
    """The decoded mean codes: in one row with their names below, or in several rows."""
    count, caption = (
        len(names),
        "The mean code of each class, decoded. A clear image means that its codes lie together.",
    )
    if count <= _A_ROW:
        labels = tuple(names)
    else:
        labels, shown = (), min(count // _A_ROW, _MOST_ROWS) * _A_ROW
        means = means[:, :shown].reshape(-1, _A_ROW, *means.shape[2:])
        caption += (
            f" In rows of {_A_ROW}{f', the first {shown} of {count}' if shown < count else ''}: {_list(names[:shown])}."
        )
    return Picture(
        _TITLES["class_means"],
        caption,
        "An image of each class, decoded from its mean code",
        image_grid(means),
        labels,
        wide=True,
    )


def _rows_of(names: ClassNames) -> str:
    """Which class each row is, from the top."""
    of_all = f", the first {_MOST_ROWS} of {len(names)}" if len(names) > _MOST_ROWS else ""
    return f"Rows{of_all}: {_list(names[:_MOST_ROWS])}."


def _list(names: ClassNames) -> str:
    return ", ".join(names)


def _interpolation(pictures: Pictures, classes: Classes) -> Iterator[Picture]:
    if pictures.linear_interpolation is None:
        return
    strip = interpolation_strip(pictures.linear_interpolation, pictures.spherical_interpolation, _STRIP)
    rows = "Above along the straight line, below around the origin." if len(strip.images) > 1 else "Along the line."
    numbers = [
        class_number(end, classes.names)
        for end in (classes.figures.interpolation_from, classes.figures.interpolation_to)
    ]
    first, second = (classes.names[number or 0] for number in numbers)
    yield Picture(
        f"From {first} to {second}",
        f"Between the mean codes of two classes. {rows}",
        "A row of images that turns from one class into another",
        image_grid(strip.images),
        tuple(strip.columns),
        wide=True,
    )


def _samples(pictures: Pictures, params: FigureParams) -> Iterator[Picture]:
    if pictures.samples is not None:
        yield Picture(
            "Samples from the prior",
            "Decoded standard normal noise: what the model imagines. The more look like test images, the better the"
            " codes fill the prior.",
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


def _around(pictures: Pictures, names: ClassNames) -> Iterator[Picture]:
    if pictures.perturbed is not None:
        yield Picture(
            "Codes with noise added",
            "A row for each class: a test image, its reconstruction, then the same code with standard normal noise."
            if names
            else "In each row a test image, its reconstruction, then the same code with standard normal noise.",
            "Rows of a test image, its reconstruction and eight variations",
            image_grid(pictures.perturbed[:_MOST_ROWS]),
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
