"""Grids of images, drawn from arrays of brightness. This module needs no torch and no files."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from mnist_vae.common.catalogue import DIGITS, WHITE
from mnist_vae.figures.style import TEXT_CHARACTER, WIDTH, figure_style, titled_figure

_STRIP = 12  # images of an interpolation that fit side by side
_CLASSES_A_ROW = 10
_LONGEST_NAME = 12  # characters of a class's name that are shown
_ANIMATION_PIXELS = 256  # largest side of the animation, unless an image is larger
_LARGEST = 1.2  # largest side of an image, in inches
# Inches that text takes beside a grid of images.
_TITLE = 0.45
_TICK_LINE = 0.19
_AXIS_TITLE = 0.4
_GAP = 0.15  # between grids
_ANIMATION_SECONDS = 4


class Strip(NamedTuple):
    """Images of an interpolation (rows, columns, S, S), with the labels of the rows and of the columns."""

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
    """A row for each class: an original, its decoded mean code, and decodings of that code with noise added.

    If the images have no classes, each image has a row.
    """
    with figure_style():
        noisy = [f"noise\n{number}" for number in range(1, images.shape[1] - 1)]
        rows = short_names(class_names[: len(images)])
        columns = ["original", "mean\ncode", *noisy]
        return _grid_figure(images, title, rows, columns, row_title="class" if rows else "")


def class_means(images: Float[np.ndarray, "1 classes S S"], title: str, class_names: Sequence[str] = DIGITS) -> Figure:
    """One image for each class, above its name. A row has up to ten images, fewer if the names need more room."""
    with figure_style():
        names = short_names(class_names)
        a_row = min(_CLASSES_A_ROW, int(WIDTH / (TEXT_CHARACTER * max(map(len, names)))))
        if len(names) <= a_row:
            return _grid_figure(images, title, columns=names, column_title="class")
        starts = range(0, len(names), a_row)
        figure = titled_figure(title, (WIDTH / a_row + _TICK_LINE + _GAP) * len(starts) + _TITLE)
        for start, axis in zip(starts, figure.subplots(len(starts), 1), strict=True):
            of_row = slice(start, start + a_row)
            draw_grid(axis, images[:, of_row], columns=names[of_row])
            axis.set_xlim(-0.5, a_row * (images.shape[3] + 1) - 0.5)  # a last row may have fewer
        return figure


def interpolation(
    straight: Float[np.ndarray, "1 steps S S"], spherical: Float[np.ndarray, "1 steps S S"] | None, title: str
) -> Figure:
    """Up to twelve evenly spaced images of each interpolation, both ends included: linear above spherical."""
    with figure_style():
        strip = interpolation_strip(straight, spherical, _STRIP)
        title_below = "fraction of the way to the second class"
        return _grid_figure(strip.images, title, strip.rows, strip.columns, column_title=title_below)


def interpolation_strip(
    straight: Float[np.ndarray, "1 steps S S"], spherical: Float[np.ndarray, "1 steps S S"] | None, most: int
) -> Strip:
    """Up to `most` evenly spaced images of each interpolation, both ends included. Each kind has a row."""
    rows = [straight] if spherical is None else [straight, spherical]
    steps = straight.shape[1]
    shown = np.linspace(0, steps - 1, min(steps, most)).round().astype(int)
    columns = [f"{step / (steps - 1):.2f}" for step in shown]
    return Strip(np.concatenate(rows)[:, shown], ["linear", "spherical"][: len(rows)], columns)


def classes(
    originals: Float[np.ndarray, "rows columns S S"],
    reconstructed: Float[np.ndarray, "rows columns S S"],
    title: str,
    class_names: Sequence[str] = DIGITS,
) -> Figure:
    """The same images of each class twice: the originals on the left, the reconstructions on the right."""
    with figure_style():
        rows = short_names(class_names[: len(originals)])
        side = min((WIDTH / 2 - _beside(rows, "class")) / originals.shape[1], 0.4)
        figure = titled_figure(title, side * originals.shape[0] + _TITLE + 0.35)
        for axis, images, name in zip(
            figure.subplots(1, 2), (originals, reconstructed), ("originals", "reconstructions"), strict=True
        ):
            draw_grid(axis, images, rows)
            axis.set(title=name, ylabel="class")
        return figure


def plane(
    images: Float[np.ndarray, "rows columns S S"],
    quantiles: Float[np.ndarray, "2 columns"],
    axis_titles: tuple[str, str],
    title: str,
) -> Figure:
    """A map of decoded latent codes.

    The first row of quantiles labels the columns from left to right, the second the rows from bottom to top.
    """
    with figure_style():
        side = (WIDTH - 0.9) / images.shape[1]
        figure = titled_figure(title, side * images.shape[0] + _TITLE + _TICK_LINE + _AXIS_TITLE)
        axis = figure.subplots()
        across, up = ([f"{value:.2f}" for value in values] for values in (quantiles[0], quantiles[1, ::-1]))
        draw_grid(axis, images, rows=up, columns=across, every=3)
        axis.set(xlabel=axis_titles[0], ylabel=axis_titles[1])
        return figure


def short_names(names: Sequence[str]) -> list[str]:
    """Names that fit beside images: the middle of a long name is left out. `$`, which begins a formula, is escaped."""
    half = _LONGEST_NAME // 2
    short = [name if len(name) <= _LONGEST_NAME else f"{name[:half]}…{name[1 - half :]}" for name in names]
    return [name.replace("$", r"\$") for name in short]


def animation(images: Float[np.ndarray, "1 steps S S"]) -> list[Image.Image]:
    """The frames of an interpolation from its first end to its second and back, enlarged without smoothing."""
    grey = (images[0].clip(0, 1) * WHITE).round().astype(np.uint8)  # (steps, S, S)
    side = max(1, _ANIMATION_PIXELS // grey.shape[1]) * grey.shape[1]
    forth = [Image.fromarray(frame).resize((side, side), Image.Resampling.NEAREST) for frame in grey]
    return forth + forth[-2:0:-1]


def animation_milliseconds(steps: int) -> int:
    """The time of each frame in milliseconds. GIF counts hundredths of a second, and viewers refuse less than two."""
    return max(20, round(_ANIMATION_SECONDS * 100 / steps) * 10)


def _grid_figure(
    images: Float[np.ndarray, "rows columns S S"],
    title: str,
    rows: Sequence[str] = (),
    columns: Sequence[str] = (),
    row_title: str = "",
    column_title: str = "",
) -> Figure:
    side = min((WIDTH - _beside(rows, row_title)) / images.shape[1], _LARGEST)
    lines = max((label.count("\n") + 1 for label in columns), default=0)
    below = lines * _TICK_LINE + (_AXIS_TITLE if column_title else 0)
    figure = titled_figure(title, side * images.shape[0] + _TITLE + below)
    axis = figure.subplots()
    draw_grid(axis, images, rows, columns)
    axis.set(xlabel=column_title, ylabel=row_title)
    return figure


def _beside(rows: Sequence[str], row_title: str) -> float:
    """Inches that the labels of rows and their title take."""
    return max(map(len, rows), default=0) * TEXT_CHARACTER + (_AXIS_TITLE if row_title else 0)


def draw_grid(
    axis: Axes,
    images: Float[np.ndarray, "rows columns S S"],
    rows: Sequence[str] = (),
    columns: Sequence[str] = (),
    every: int = 1,
) -> None:
    """Draw images into existing axes. Every n-th row and column has its label (n is `every`)."""
    axis.imshow(_tile(images), cmap="gray", vmin=0, vmax=WHITE, interpolation="nearest")
    axis.grid(visible=False)
    size = images.shape[2] + 1
    axis.set_xticks(np.arange(len(columns))[::every] * size + size / 2, columns[::every])
    axis.set_yticks(np.arange(len(rows))[::every] * size + size / 2, rows[::every])
    axis.tick_params(length=0)
    for spine in axis.spines.values():
        spine.set_visible(False)


def _tile(images: Float[np.ndarray, "rows columns S S"]) -> UInt8[np.ndarray, "height width"]:
    # White lines of one pixel separate the images.
    framed = np.pad(images.clip(0, 1), ((0, 0), (0, 0), (1, 0), (1, 0)), constant_values=1)
    rows, columns, height, width = framed.shape
    tiled = framed.transpose(0, 2, 1, 3).reshape(rows * height, columns * width)
    return (tiled * WHITE).round().astype(np.uint8)
