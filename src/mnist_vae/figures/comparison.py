"""Figures that compare systems: distortion against rate, and autoencoders beside VAEs."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from mnist_vae.common.catalogue import DIGITS
from mnist_vae.common.params import Params
from mnist_vae.data.prepared import ClassNames
from mnist_vae.figures.arrays import Pictures
from mnist_vae.figures.charts import draw_scatter
from mnist_vae.figures.gallery import plane_axis_titles
from mnist_vae.figures.grids import draw_grid, interpolation_strip
from mnist_vae.figures.style import figure_style

_STRIP = 8  # images of an interpolation
_POINT = 5  # pixels from the middle of a point to its edge
# Of a point's name: beside the point in points of type, and the side from which it is measured.
_PLACES = ((7, 5, "left"), (7, -13, "left"), (-7, 5, "right"), (-7, -13, "right"))


class System(NamedTuple):
    """A trained system: its name, its parameters, and two of its metrics."""

    name: str
    params: Params
    kl_nats: float
    mse_minus1_to_1: float


class Pair(NamedTuple):
    """A plain autoencoder and the VAE that differs from it in nothing else."""

    autoencoder: System
    vae: System


class Member(NamedTuple):
    """One of those that stand side by side: its title, its pictures, and the names of its classes."""

    title: str
    pictures: Pictures
    class_names: ClassNames = DIGITS


def kl_weight_families(systems: Sequence[System]) -> list[list[System]]:
    """The VAEs that differ in kl_weight only, by their kl_weight; families of two or more."""
    families: dict[Params, list[System]] = {}
    for system in systems:
        if system.params.variational:
            families.setdefault(system.params.model_copy(update={"kl_weight": 0.0}), []).append(system)
    return [
        sorted(family, key=lambda system: system.params.kl_weight) for family in families.values() if len(family) > 1
    ]


def autoencoder_pairs(systems: Sequence[System]) -> Iterator[Pair]:
    """Each plain autoencoder with the first VAE that has its parameters otherwise, if there is one.

    What weighs the KL does not matter: a plain autoencoder has none.
    """
    without_kl = {"variational": False, "kl_weight": 0.0, "kl_warmup_epochs": 0, "free_nats": 0.0}
    shared = [system.params.model_copy(update=without_kl) for system in systems]
    for plain, own in zip(systems, shared, strict=True):
        if not plain.params.variational:
            vaes = (vae for vae, other in zip(systems, shared, strict=True) if vae.params.variational and other == own)
            if vae := next(vaes, None):
                yield Pair(plain, vae)


def rate_distortion(systems: Sequence[System], title: str) -> Figure:
    """Each system as a point, families of kl_weight joined; a plain autoencoder, whose KL is 0, at the left edge."""
    with figure_style():
        figure = Figure(figsize=(10, 7), layout="constrained")
        axis = figure.subplots()
        for family in kl_weight_families(systems):
            least, greatest = family[0].params.kl_weight, family[-1].params.kl_weight
            label = f"{family[0].params.network}, kl_weight {least:g} to {greatest:g}"
            axis.plot(*_points(family).T, color="grey", linewidth=1, zorder=1, label=label)
        for variational, marker, label in ((True, "o", "VAE"), (False, "s", "plain autoencoder: it pays no rate")):
            members = [system for system in systems if system.params.variational == variational]
            if members:
                axis.scatter(*_points(members).T, marker=marker, s=60, zorder=2, label=label)
        axis.set(
            title=title,
            xlabel="rate: KL of the test images' codes (nats per image)",
            ylabel="distortion: squared error per pixel, images in [-1, 1]",
            yscale="log",
        )
        axis.margins(x=0.12)
        axis.legend()
        _name_points(axis, systems)
        return figure


def side_by_side(members: Sequence[Member], title: str) -> Figure:
    """A column for each: its scatter and its plane, if it has them, and its interpolations."""
    with figure_style():
        figure = Figure(figsize=(8 * len(members), 18), layout="constrained")
        figure.suptitle(title)
        axes = figure.subplots(3, len(members), squeeze=False, height_ratios=(7, 8, 2))
        for (scatter, plane, interpolation), member in zip(axes.T, members, strict=True):
            _draw_codes(scatter, plane, member)
            _draw_interpolation(interpolation, member.pictures)
        return figure


def _points(systems: Sequence[System]) -> np.ndarray:
    return np.array([(system.kl_nats, system.mse_minus1_to_1) for system in systems])


def _name_points(axis: Axes, systems: Sequence[System]) -> None:
    """Each name at the first place beside its point where it covers no point, no other name and no edge, if any is."""
    cast("Figure", axis.figure).draw_without_rendering()  # what follows is measured in pixels, so they must be known
    points = axis.transData.transform(_points(systems))
    taken = [Bbox.from_extents(*(point - _POINT), *(point + _POINT)) for point in points]
    for system, point in zip(systems, _points(systems), strict=True):
        text = axis.annotate(system.name, tuple(point), xytext=(0, 0), textcoords="offset points", fontsize="small")
        for x, y, side in _PLACES:
            text.set(position=(x, y), horizontalalignment=side)
            box = text.get_window_extent()
            if axis.bbox.x0 <= box.x0 and box.x1 <= axis.bbox.x1 and not box.count_overlaps(taken):
                break
        taken.append(text.get_window_extent())


def _draw_codes(scatter: Axes, plane: Axes, member: Member) -> None:
    pictures = member.pictures
    if pictures.scatter is None or pictures.plane is None:
        scatter.set(title=f"{member.title}: it has no plane of codes")
        scatter.axis("off")
        plane.axis("off")
        return
    axis_titles = plane_axis_titles(pictures)
    draw_scatter(scatter, pictures.scatter, pictures.labels, axis_titles, member.title, member.class_names)
    draw_grid(plane, pictures.plane)
    plane.set(title="the plane, decoded at equal quantiles", xlabel=axis_titles[0], ylabel=axis_titles[1])


def _draw_interpolation(axis: Axes, pictures: Pictures) -> None:
    if pictures.straight_interpolation is None:
        axis.set(title="it has no interpolation")
        axis.axis("off")
        return
    strip = interpolation_strip(pictures.straight_interpolation, pictures.spherical_interpolation, _STRIP)
    draw_grid(axis, strip.images, strip.rows)
    axis.set(title="between two classes' mean codes")
