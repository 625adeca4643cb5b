"""Figures of images, from arrays of their brightness. No torch, no files."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from mnist_vae.common.catalogue import DIGITS, WHITE
from mnist_vae.figures.style import figure_style

_STRIP = 12  # images of an interpolation that fit side by side
_NARROWEST = 6  # inches, which a title needs
_CLASSES_A_ROW = 10
_LONGEST_NAME = 12  # characters that fit beside an image
_ANIMATION_PIXELS = 128
_ANIMATION_SECONDS = 4


class Strip(NamedTuple):
    """Images of an interpolation (rows, columns, S, S), and what stands beside the rows and below the columns."""

    images: Float[np.ndarray, "rows columns S S"]
    rows: list[str]
    columns: list[str]


def reconstructions(images: Float[np.ndarray, "rows columns S S"], title: str) -> Figure:
    """Rows of originals, each above the row of its reconstructions."""
    with figure_style():
        rows = ["original", "reconstruction"] * (len(images) // 2)
        return _grid_figure(images, title, rows=rows)


def samples(images: Float[np.ndarray, "rows columns S S"], title: str) -> Figure:
    """A grid of images without labels."""
    with figure_style():
        return _grid_figure(images, title)


def perturbed(images: Float[np.ndarray, "rows columns S S"], title: str, class_names: Sequence[str] = DIGITS) -> Figure:
    """A row for each class, or image: an original, its mean code decoded, and that with noise added, decoded."""
    with figure_style():
        noisy = [f"+ noise {number}" for number in range(1, images.shape[1] - 1)]
        rows = short_names(class_names[: len(images)])
        columns = ["original", "mean code", *noisy]
        return _grid_figure(images, title, rows, columns, row_title="class" if rows else "")


def class_means(images: Float[np.ndarray, "1 classes S S"], title: str, class_names: Sequence[str] = DIGITS) -> Figure:
    """One image for each class, in rows of ten, each row above the names of its classes."""
    with figure_style():
        names = short_names(class_names)
        if len(names) <= _CLASSES_A_ROW:
            return _grid_figure(images, title, columns=names, column_title="class")
        starts = range(0, len(names), _CLASSES_A_ROW)
        figure = Figure(figsize=(_CLASSES_A_ROW + 0.4, 1.35 * len(starts) + 0.7), layout="constrained")
        figure.suptitle(title)
        for start, axis in zip(starts, figure.subplots(len(starts), 1), strict=True):
            of_row = slice(start, start + _CLASSES_A_ROW)
            draw_grid(axis, images[:, of_row], columns=names[of_row])
            axis.set_xlim(-0.5, _CLASSES_A_ROW * (images.shape[3] + 1) - 0.5)
        return figure


def interpolation(
    straight: Float[np.ndarray, "1 steps S S"], spherical: Float[np.ndarray, "1 steps S S"] | None, title: str
) -> Figure:
    """Up to twelve images of an interpolation at equal distances, its ends included: along the line, along the arc."""
    with figure_style():
        strip = interpolation_strip(straight, spherical, _STRIP)
        title_below = "share of the way to the second class"
        return _grid_figure(strip.images, title, strip.rows, strip.columns, column_title=title_below)


def interpolation_strip(
    straight: Float[np.ndarray, "1 steps S S"], spherical: Float[np.ndarray, "1 steps S S"] | None, most: int
) -> Strip:
    """At most so many images of an interpolation at equal distances, its ends included; a row for each way."""
    rows = [straight] if spherical is None else [straight, spherical]
    steps = straight.shape[1]
    shown = np.linspace(0, steps - 1, min(steps, most)).round().astype(int)
    columns = [f"{step / (steps - 1):.2f}" for step in shown]
    return Strip(np.concatenate(rows)[:, shown], ["straight line", "spherical"][: len(rows)], columns)


def classes(
    originals: Float[np.ndarray, "rows columns S S"],
    reconstructed: Float[np.ndarray, "rows columns S S"],
    title: str,
    class_names: Sequence[str] = DIGITS,
) -> Figure:
    """The same images of each class twice: as they are, and reconstructed."""
    with figure_style():
        width = max(2 * originals.shape[1] + 1, _NARROWEST)
        figure = Figure(figsize=(width, originals.shape[0] + 1), layout="constrained")
        figure.suptitle(title)
        for axis, images, name in zip(
            figure.subplots(1, 2), (originals, reconstructed), ("originals", "reconstructions"), strict=True
        ):
            draw_grid(axis, images, rows=short_names(class_names[: len(images)]))
            axis.set(title=name, ylabel="class")
        return figure


def plane(
    images: Float[np.ndarray, "rows columns S S"],
    quantiles: Float[np.ndarray, "2 columns"],
    axis_titles: tuple[str, str],
    title: str,
) -> Figure:
    """A map of decoded codes: columns at the first row of quantiles, rows at the second's, its greatest on top."""
    with figure_style():
        figure = Figure(figsize=(0.5 * images.shape[1] + 1, 0.5 * images.shape[0] + 1), layout="constrained")
        axis = figure.subplots()
        across, up = ([f"{value:.2f}" for value in values] for values in (quantiles[0], quantiles[1, ::-1]))
        draw_grid(axis, images, rows=up, columns=across, every=3)
        axis.set(title=title, xlabel=axis_titles[0], ylabel=axis_titles[1])
        return figure


def short_names(names: Sequence[str]) -> list[str]:
    """Names that fit beside an image, the middle of long ones left out. No character in them is a formula's."""
    half = _LONGEST_NAME // 2
    short = [name if len(name) <= _LONGEST_NAME else f"{name[:half]}…{name[1 - half :]}" for name in names]
    return [name.replace("$", r"\$") for name in short]


def animation(images: Float[np.ndarray, "1 steps S S"]) -> list[Image.Image]:
    """The frames of an interpolation there and back, enlarged without smoothing; show each animation_milliseconds."""
    grey = (images[0].clip(0, 1) * WHITE).round().astype(np.uint8)  # (steps, S, S)
    side = max(1, _ANIMATION_PIXELS // grey.shape[1]) * grey.shape[1]
    there = [Image.fromarray(frame).resize((side, side), Image.Resampling.NEAREST) for frame in grey]
    return there + there[-2:0:-1]


def animation_milliseconds(steps: int) -> int:
    """How long each frame stays, in milliseconds: GIF counts hundredths of a second, and viewers refuse less than 2."""
    return max(20, round(_ANIMATION_SECONDS * 100 / steps) * 10)


def _grid_figure(
    images: Float[np.ndarray, "rows columns S S"],
    title: str,
    rows: Sequence[str] = (),
    columns: Sequence[str] = (),
    row_title: str = "",
    column_title: str = "",
) -> Figure:
    margin = 0.4 + (0.3 if columns else 0) + (0.3 if column_title else 0)
    width = max(images.shape[1] + (1.2 if rows else 0), _NARROWEST)
    figure = Figure(figsize=(width, images.shape[0] + margin), layout="constrained")
    axis = figure.subplots()
    draw_grid(axis, images, rows, columns)
    axis.set(title=title, xlabel=column_title, ylabel=row_title)
    return figure


def draw_grid(
    axis: Axes,
    images: Float[np.ndarray, "rows columns S S"],
    rows: Sequence[str] = (),
    columns: Sequence[str] = (),
    every: int = 1,
) -> None:
    """Images into axes that are there, with labels at every so many rows and columns, in the style around them."""
    axis.imshow(_tile(images), cmap="gray", vmin=0, vmax=WHITE, interpolation="nearest")
    axis.grid(visible=False)
    size = images.shape[2] + 1
    axis.set_xticks(np.arange(len(columns))[::every] * size + size / 2, columns[::every])
    axis.set_yticks(np.arange(len(rows))[::every] * size + size / 2, rows[::every])
    axis.tick_params(length=0)
    for spine in axis.spines.values():
        spine.set_visible(False)


def _tile(images: Float[np.ndarray, "rows columns S S"]) -> UInt8[np.ndarray, "height width"]:
    # White lines one pixel wide between the images.
    framed = np.pad(images.clip(0, 1), ((0, 0), (0, 0), (1, 0), (1, 0)), constant_values=1)
    rows, columns, height, width = framed.shape
    tiled = framed.transpose(0, 2, 1, 3).reshape(rows * height, columns * width)
    return (tiled * WHITE).round().astype(np.uint8)
