"""Figures that compare systems: distortion against rate, and autoencoders beside VAEs."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mnist_vae.charts import draw_scatter
from mnist_vae.figure_style import figure_style
from mnist_vae.figures import draw_grid, interpolation_strip
from mnist_vae.gallery import plane_axis_titles
from mnist_vae.params import Params
from mnist_vae.pictures import Pictures

_STRIP = 8  # images of an interpolation


class System(NamedTuple):
    """A trained system: its name, its parameters, and two of its metrics."""

    name: str
    params: Params
    kl_nats_per_image: float
    mse_per_pixel_minus1_to_1: float


class Pair(NamedTuple):
    """A plain autoencoder and the VAE that differs from it in nothing else."""

    autoencoder: System
    vae: System


class Member(NamedTuple):
    """One of those that stand side by side: its title and its pictures."""

    title: str
    pictures: Pictures


def kl_weight_families(systems: Sequence[System]) -> list[list[System]]:
    """The VAEs that differ in kl_weight only, by their kl_weight; families of two or more."""
    families: dict[Params, list[System]] = {}
    for system in systems:
        if system.params.variational:
            families.setdefault(system.params.model_copy(update={"kl_weight": 0.0}), []).append(system)
    return [sorted(one, key=lambda system: system.params.kl_weight) for one in families.values() if len(one) > 1]


def autoencoder_pairs(systems: Sequence[System]) -> Iterator[Pair]:
    """Each plain autoencoder with the first VAE that has its parameters otherwise, if there is one."""
    for system in systems:
        if not system.params.variational:
            for other in systems:
                same = other.params.model_copy(update={"variational": False, "kl_weight": 0.0})
                if other.params.variational and same == system.params:
                    yield Pair(system, other)
                    break


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
        for system in systems:
            point = (system.kl_nats_per_image, system.mse_per_pixel_minus1_to_1)
            # Those on the left edge below their points, where no other point's name is.
            place = (7, 5) if system.params.variational else (7, -13)
            axis.annotate(system.name, point, xytext=place, textcoords="offset points", fontsize="small")
        axis.set(
            title=title,
            xlabel="rate: KL of the test images' codes (nats per image)",
            ylabel="distortion: squared error per pixel, images in [-1, 1]",
            yscale="log",
        )
        axis.margins(x=0.12)
        axis.legend()
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
    return np.array([(system.kl_nats_per_image, system.mse_per_pixel_minus1_to_1) for system in systems])


def _draw_codes(scatter: Axes, plane: Axes, member: Member) -> None:
    pictures = member.pictures
    if pictures.scatter is None or pictures.plane is None:
        scatter.set(title=f"{member.title}: it has no plane of codes")
        scatter.axis("off")
        plane.axis("off")
        return
    axis_titles = plane_axis_titles(pictures)
    draw_scatter(scatter, pictures.scatter, pictures.labels, axis_titles, member.title)
    draw_grid(plane, pictures.plane)
    plane.set(title="the plane, decoded at equal quantiles", xlabel=axis_titles[0], ylabel=axis_titles[1])


def _draw_interpolation(axis: Axes, pictures: Pictures) -> None:
    strip = interpolation_strip(pictures.straight_interpolation, pictures.spherical_interpolation, _STRIP)
    draw_grid(axis, strip.images, strip.rows)
    axis.set(title="between two classes' mean codes")
