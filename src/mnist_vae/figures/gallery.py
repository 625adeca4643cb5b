"""The figures of a run, and the reason for each figure that a model cannot have."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from mnist_vae.common.catalogue import DIGITS
from mnist_vae.common.params import FigureParams
from mnist_vae.data.history import EpochRow, StepRow
from mnist_vae.data.prepared import ClassNames, class_number
from mnist_vae.figures import charts, grids
from mnist_vae.figures.arrays import Pictures

_NO_PRIOR = "a plain autoencoder has no prior"
_NO_PLANE = "it needs two latent dimensions"
_NO_CLASSES = "the images have no classes"


class Subject(NamedTuple):
    """What the titles and labels name: the data set, the unit of the reconstruction error, the figures' parameters, and
    the classes.
    """

    data: str
    reconstruction_unit: str
    params: FigureParams
    class_names: ClassNames = DIGITS


class Course(NamedTuple):
    """The history of a training."""

    epochs: Sequence[EpochRow]
    steps: Sequence[StepRow]


class Drawing(NamedTuple):
    """A figure and its name. If the model cannot have it, `absence` says why."""

    name: str
    figure: Figure | None
    absence: str = ""


def draw_gallery(pictures: Pictures, course: Course, subject: Subject) -> Iterator[Drawing]:
    """Draw the figures one after the other."""
    yield from _images(pictures, subject)
    yield from _latents(pictures, subject)
    title = f"{subject.data}: training"
    yield Drawing("training", charts.training_curves(course.epochs, course.steps, subject.reconstruction_unit, title))


def plane_axis_titles(pictures: Pictures) -> tuple[str, str]:
    """The titles of the two axes of the plane and of the scatter."""
    if pictures.explained_variance is None:
        return "latent dimension 1", "latent dimension 2"
    first, second = (f"{100 * share:.1f} % of the variance" for share in pictures.explained_variance)
    return f"principal component 1 ({first})", f"principal component 2 ({second})"


def _images(pictures: Pictures, subject: Subject) -> Iterator[Drawing]:
    data, params, names = subject.data, subject.params, subject.class_names
    yield Drawing(
        "reconstructions",
        grids.reconstructions(pictures.reconstructions, f"{data}: test images and their reconstructions"),
    )
    if pictures.class_originals is None or pictures.class_reconstructions is None:
        yield Drawing("classes", None, _NO_CLASSES)
    else:
        title = f"{data}: test images by class{_of_all(pictures.class_originals, names)}"
        drawn = grids.classes(pictures.class_originals, pictures.class_reconstructions, title, names)
        yield Drawing("classes", drawn)
    if pictures.samples is None or pictures.perturbed is None:
        yield from (Drawing(name, None, _NO_PRIOR) for name in ("samples", "perturbed"))
    else:
        yield Drawing("samples", grids.samples(pictures.samples, f"{data}: samples from the prior"))
        title = f"{data}: mean codes with standard normal noise added{_of_all(pictures.perturbed, names)}"
        yield Drawing("perturbed", grids.perturbed(pictures.perturbed, title, names))
    fitted = "a Gaussian" if params.fitted_components == 1 else f"{params.fitted_components} Gaussians"
    title = f"{data}: samples from {fitted} fitted to the latent codes"
    yield Drawing("fitted_samples", grids.samples(pictures.fitted_samples, title))
    if pictures.class_means is None:
        yield Drawing("class_means", None, _NO_CLASSES)
    else:
        title = f"{data}: decoded mean code of each class"
        yield Drawing("class_means", grids.class_means(pictures.class_means, title, names))
    yield from _interpolation(pictures, subject)


def _interpolation(pictures: Pictures, subject: Subject) -> Iterator[Drawing]:
    params, names = subject.params, subject.class_names
    straight, spherical = pictures.linear_interpolation, pictures.spherical_interpolation
    first, second = (class_number(end, names) for end in (params.interpolation_from, params.interpolation_to))
    if straight is None or first is None or second is None:
        yield Drawing("interpolation", None, _no_interpolation(params, names))
        return
    ends = grids.short_names([names[first], names[second]])
    title = f"{subject.data}: interpolation from class {ends[0]} to class {ends[1]}"
    yield Drawing("interpolation", grids.interpolation(straight, spherical, title))
    if spherical is None:
        yield Drawing(
            "spherical interpolation", None, "one of the mean codes is 0, or they point in opposite directions"
        )


def _latents(pictures: Pictures, subject: Subject) -> Iterator[Drawing]:
    data, axes = subject.data, plane_axis_titles(pictures)
    if pictures.scatter is None or pictures.plane is None or pictures.plane_quantiles is None:
        yield from (Drawing(name, None, _NO_PLANE) for name in ("scatter", "plane"))
    else:
        title = f"{data}: latent codes of the test images"
        drawn = charts.scatter(pictures.scatter, pictures.labels, axes, title, subject.class_names)
        yield Drawing("scatter", drawn)
        title = f"{data}: decoded latent plane, at equal quantiles"
        yield Drawing("plane", grids.plane(pictures.plane, pictures.plane_quantiles, axes, title))
    if pictures.kl_per_dimension is None:
        yield Drawing("latent_dimensions", None, _NO_PRIOR)
    else:
        title = f"{data}: KL and variance of each latent dimension"
        drawn = charts.latent_dimensions(pictures.kl_per_dimension, pictures.mean_variance, title)
        yield Drawing("latent_dimensions", drawn)


def _no_interpolation(params: FigureParams, names: ClassNames) -> str:
    """Why there is no interpolation between the two classes that the parameters name."""
    if not names:
        return _NO_CLASSES
    for name in ("interpolation_from", "interpolation_to"):
        if class_number(getattr(params, name), names) is None:
            return f"{name} is {getattr(params, name)!r}, but there are {len(names)} classes: choose one of them"
    return "interpolation_from and interpolation_to are the same class"


def _of_all(rows: Float[np.ndarray, "rows columns S S"], names: ClassNames) -> str:
    return f" (the first {len(rows)} of {len(names)} classes)" if len(rows) < len(names) else ""
