"""Figures that compare systems: the rate-distortion plot, and an autoencoder beside its VAE."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox, BboxBase

from mnist_vae.common.catalogue import DIGITS
from mnist_vae.common.params import Params
from mnist_vae.data.prepared import ClassNames
from mnist_vae.figures.arrays import Pictures
from mnist_vae.figures.charts import MOST_IN_LEGEND, draw_scatter
from mnist_vae.figures.gallery import plane_axis_titles
from mnist_vae.figures.grids import draw_grid, interpolation_strip
from mnist_vae.figures.style import TEXT_CHARACTER, WIDTH, figure_style, titled_figure

# The kinds of systems, and the marker of each. Bits are other images: their MSE is that of black and white pixels.
MARKERS = {"VAE": "o", "plain autoencoder, no KL": "s", "VAE of binarised images": "D"}
_STRIP = 8  # images of an interpolation
_LEGEND_HANDLE = 0.6  # inches of a legend's entry without its text
_AREA = 60  # of a point, in square typographic points


class _Place(NamedTuple):
    """Where a point's name may be: its offset from the point in typographic points, and its alignment."""

    x: float
    y: float
    side: str


# A name beside its point needs no line to it. Names of points that lie close together are above and below each other.
_BESIDE = (_Place(7, 5, "left"), _Place(7, -13, "left"), _Place(-7, 5, "right"), _Place(-7, -13, "right"))
_APART = tuple(
    _Place(x, y, side)
    for step in range(1, 9)
    for x, side in ((24, "left"), (-24, "right"))
    for y in (13 * step - 4, -13 * step - 4)
)


class System(NamedTuple):
    """A trained system: its name, its parameters, and two of its metrics."""

    name: str
    params: Params
    kl_nats: float
    mse_minus1_to_1: float


class Pair(NamedTuple):
    """A plain autoencoder, and the VAE with the same parameters otherwise."""

    autoencoder: System
    vae: System


class Member(NamedTuple):
    """A column of the figure that compares models: its title, its pictures, and the names of its classes."""

    title: str
    pictures: Pictures
    class_names: ClassNames = DIGITS


def kl_weight_families(systems: Sequence[System]) -> list[list[System]]:
    """Groups of two or more VAEs that differ only in kl_weight, ordered by it."""
    families: dict[Params, list[System]] = {}
    for system in systems:
        if system.params.variational:
            families.setdefault(system.params.model_copy(update={"kl_weight": 0.0}), []).append(system)
    return [
        sorted(family, key=lambda system: system.params.kl_weight) for family in families.values() if len(family) > 1
    ]


def autoencoder_pairs(systems: Sequence[System]) -> Iterator[Pair]:
    """Each plain autoencoder with the first VAE whose other parameters are the same, if there is one.

    The parameters of the KL are not compared, because a plain autoencoder has no KL.
    """
    without_kl = {"variational": False, "kl_weight": 0.0, "kl_warmup_epochs": 0, "free_nats": 0.0}
    without_kl |= {"importance_samples": 1, "sticking_the_landing": False}
    shared = [system.params.model_copy(update=without_kl) for system in systems]
    for plain, own in zip(systems, shared, strict=True):
        if not plain.params.variational:
            vaes = (vae for vae, other in zip(systems, shared, strict=True) if vae.params.variational and other == own)
            if vae := next(vaes, None):
                yield Pair(plain, vae)


def kind_of(params: Params) -> str:
    """The system's kind, which is a key of MARKERS."""
    if not params.variational:
        return "plain autoencoder, no KL"
    return "VAE" if params.binarisation == "none" else "VAE of binarised images"


def rate_distortion(systems: Sequence[System], title: str) -> Figure:
    """A point for each system. A line joins VAEs that differ only in kl_weight. A plain autoencoder has a rate of 0."""
    with figure_style():
        figure = titled_figure(title, 5.6)
        axis = figure.subplots()
        for family in kl_weight_families(systems):
            least, greatest = family[0].params.kl_weight, family[-1].params.kl_weight
            label = f"{family[0].params.network}, kl_weight {least:g} to {greatest:g}"
            axis.plot(*_points(family).T, color="grey", linewidth=1.5, zorder=1, label=label)
        for label, marker in MARKERS.items():
            members = [system for system in systems if kind_of(system.params) == label]
            if members:
                axis.scatter(*_points(members).T, marker=marker, s=_AREA, zorder=2, label=label)
        axis.set(
            xlabel="rate: KL, nats per test image",
            ylabel="distortion: MSE per pixel, images in [-1, 1]",
            yscale="log",
        )
        axis.margins(x=0.17)
        axis.legend(loc="upper right")  # the best place would be looked for again when the names are there
        _name_points(axis, systems)
        return figure


def side_by_side(members: Sequence[Member], title: str) -> Figure:
    """A column for each member: the scatter and the decoded plane, if it has them, and the interpolations."""
    with figure_style():
        figure = titled_figure(title, 10.2)
        axes = figure.subplots(3, len(members), squeeze=False, height_ratios=(7, 8, 2))
        for (scatter, plane, interpolation), member in zip(axes.T, members, strict=True):
            _draw_codes(scatter, plane, member)
            _draw_interpolation(interpolation, member.pictures)
        _name_classes(figure, members[0].class_names)
        return figure


def _points(systems: Sequence[System]) -> np.ndarray:
    return np.array([(system.kl_nats, system.mse_minus1_to_1) for system in systems])


def _name_points(axis: Axes, systems: Sequence[System]) -> None:
    """Write each name near its point, at the first place where it overlaps no point, no other name and no edge."""
    cast("Figure", axis.figure).draw_without_rendering()  # the places below are compared in pixels
    points = axis.transData.transform(_points(systems))
    corner = (_AREA / 2) ** 0.5 * axis.figure.dpi / 72  # pixels from the middle of a diamond to its corner
    taken = [Bbox.from_extents(*(point - corner), *(point + corner)) for point in points]
    if legend := axis.get_legend():
        taken.append(legend.get_window_extent())
    for system, point in zip(systems, _points(systems), strict=True):
        text = axis.annotate(system.name, tuple(point), xytext=(0, 0), textcoords="offset points", fontsize=10.5)
        place = _place_text(text, axis.bbox, taken)
        taken.append(text.get_window_extent())
        if place in _APART:
            line = {"arrowstyle": "-", "color": "grey", "linewidth": 0.8, "shrinkA": 0, "shrinkB": 3}
            start = place.x, place.y + 4  # about the middle of the name's height
            axis.annotate("", tuple(point), xytext=start, textcoords="offset points", arrowprops=line)


def _place_text(text: Text, edges: BboxBase, taken: Sequence[Bbox]) -> _Place:
    """Move a text to the first place where it is within the edges and overlaps none of the boxes, if there is one."""
    for place in (*_BESIDE, *_APART):
        text.set(position=(place.x, place.y), horizontalalignment=place.side)
        box = text.get_window_extent()
        if edges.contains(*box.min) and edges.contains(*box.max) and not box.count_overlaps(taken):
            return place
    text.set(position=(_BESIDE[0].x, _BESIDE[0].y), horizontalalignment=_BESIDE[0].side)
    return _BESIDE[0]


def _draw_codes(scatter: Axes, plane: Axes, member: Member) -> None:
    pictures = member.pictures
    if pictures.scatter is None or pictures.plane is None:
        scatter.set(title=f"{member.title}: no latent plane")
        scatter.axis("off")
        plane.axis("off")
        return
    across, up = plane_axis_titles(pictures)
    # Half a figure is too narrow for the share of the variance on the same line.
    axis_titles = across.replace(" (", "\n("), up.replace(" (", "\n(")
    draw_scatter(scatter, pictures.scatter, pictures.labels, axis_titles, member.class_names)
    scatter.set(title=member.title)
    draw_grid(plane, pictures.plane)
    plane.set(title="decoded latent plane", xlabel=across.partition(" (")[0], ylabel=up.partition(" (")[0])


def _name_classes(figure: Figure, class_names: ClassNames) -> None:
    handles, labels = next((drawn for axis in figure.axes if (drawn := axis.get_legend_handles_labels())[0]), ([], []))
    if handles:
        columns = int(WIDTH / (_LEGEND_HANDLE + TEXT_CHARACTER * max(map(len, labels))))
        figure.legend(handles, labels, title="class", loc="outside lower center", ncols=min(columns, len(labels)))
    elif len(class_names) > MOST_IN_LEGEND:
        figure.supxlabel(f"{len(class_names)} classes, too many for a legend", fontsize="medium")


def _draw_interpolation(axis: Axes, pictures: Pictures) -> None:
    if pictures.linear_interpolation is None:
        axis.set(title="no interpolation")
        axis.axis("off")
        return
    strip = interpolation_strip(pictures.linear_interpolation, pictures.spherical_interpolation, _STRIP)
    draw_grid(axis, strip.images, strip.rows)
    axis.set(title="interpolation of mean codes")
