"""Figures from arrays, all in one style. No torch, no files."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import matplotlib as mpl
import numpy as np
import seaborn as sns
from jaxtyping import Float, UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from mnist_vae.history import EpochRow, StepRow

_STRIP = 12  # images of an interpolation that fit side by side
_ANIMATION_PIXELS = 128
_ANIMATION_SECONDS = 4


def reconstructions(images: Float[np.ndarray, "rows columns S S"], title: str) -> Figure:
    """Rows of originals, each above the row of its reconstructions."""
    with _style():
        rows = ["original", "reconstruction"] * (len(images) // 2)
        return _grid_figure(images, title, rows=rows)


def samples(images: Float[np.ndarray, "rows columns S S"], title: str) -> Figure:
    """A grid of images without labels."""
    with _style():
        return _grid_figure(images, title)


def permutations(images: Float[np.ndarray, "10 columns S S"], title: str) -> Figure:
    """A row for each class: an original, its mean code decoded, and that code with noise added, decoded."""
    with _style():
        noisy = [f"+ noise {number}" for number in range(1, images.shape[1] - 1)]
        rows = [str(label) for label in range(len(images))]
        return _grid_figure(images, title, rows, ["original", "mean code", *noisy], row_title="class")


def class_means(images: Float[np.ndarray, "1 10 S S"], title: str) -> Figure:
    """One image for each class."""
    with _style():
        return _grid_figure(
            images, title, columns=[str(label) for label in range(images.shape[1])], column_title="class"
        )


def interpolation(images: Float[np.ndarray, "1 steps S S"], title: str) -> Figure:
    """Up to twelve images of an interpolation at equal distances, its ends included."""
    with _style():
        steps = images.shape[1]
        shown = np.linspace(0, steps - 1, min(steps, _STRIP)).round().astype(int)
        columns = [f"{step / (steps - 1):.2f}" for step in shown]
        return _grid_figure(
            images[:, shown], title, columns=columns, column_title="share of the second class's mean code"
        )


def animation(images: Float[np.ndarray, "1 steps S S"]) -> list[Image.Image]:
    """The frames of an interpolation there and back, enlarged without smoothing; show each animation_milliseconds."""
    grey = (images[0].clip(0, 1) * 255).round().astype(np.uint8)  # (steps, S, S)
    side = max(1, _ANIMATION_PIXELS // grey.shape[1]) * grey.shape[1]
    there = [Image.fromarray(frame).resize((side, side), Image.Resampling.NEAREST) for frame in grey]
    return there + there[-2:0:-1]


def animation_milliseconds(steps: int) -> int:
    """How long each frame stays, in milliseconds: GIF counts hundredths of a second, and viewers refuse less than 2."""
    return max(20, round(_ANIMATION_SECONDS * 100 / steps) * 10)


def training_curves(epochs: Sequence[EpochRow], steps: Sequence[StepRow], distortion_unit: str, title: str) -> Figure:
    """The loss of each step, and loss, distortion and rate of each epoch on training and validation images."""
    with _style():
        figure = Figure(figsize=(12, 7), layout="constrained")
        axes = figure.subplots(2, 2)
        figure.suptitle(title)
        _plot_steps(axes[0, 0], steps)
        number = [row.epoch for row in epochs]
        for axis, name, unit in (
            (axes[0, 1], "loss", "loss"),
            (axes[1, 0], "distortion_per_image", f"distortion per image\n({distortion_unit})"),
            (axes[1, 1], "kl_nats_per_image", "rate per image\n(KL, nats)"),
        ):
            for split, label in ("train", "training images, sampled codes"), ("validation", "validation, mean codes"):
                values = [getattr(row, f"{split}_{name}") for row in epochs]
                sns.lineplot(x=number, y=values, ax=axis, label=label, marker="o", errorbar=None)
            axis.set(xlabel="epoch", ylabel=unit)
            axis.xaxis.get_major_locator().set_params(integer=True)
        axes[0, 1].set_title("Each epoch")
        return figure


@contextmanager
def _style() -> Iterator[None]:
    with mpl.rc_context():
        sns.set_theme(context="notebook", style="whitegrid", palette="deep", color_codes=False)
        mpl.rcParams.update({"figure.titlesize": "large", "figure.dpi": 110})
        yield


def _grid_figure(
    images: Float[np.ndarray, "rows columns S S"],
    title: str,
    rows: Sequence[str] = (),
    columns: Sequence[str] = (),
    row_title: str = "",
    column_title: str = "",
) -> Figure:
    margin = 0.4 + (0.3 if columns else 0) + (0.3 if column_title else 0)
    figure = Figure(figsize=(images.shape[1] + (1.2 if rows else 0), images.shape[0] + margin), layout="constrained")
    axis = figure.subplots()
    axis.set_title(title)
    axis.imshow(_tile(images), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    axis.grid(visible=False)
    size = images.shape[2] + 1
    axis.set_xticks(np.arange(len(columns)) * size + size / 2, columns)
    axis.set_yticks(np.arange(len(rows)) * size + size / 2, rows)
    axis.tick_params(length=0)
    axis.set(xlabel=column_title, ylabel=row_title)
    for spine in axis.spines.values():
        spine.set_visible(False)
    return figure


def _tile(images: Float[np.ndarray, "rows columns S S"]) -> UInt8[np.ndarray, "height width"]:
    # White lines one pixel wide between the images.
    framed = np.pad(images.clip(0, 1), ((0, 0), (0, 0), (1, 0), (1, 0)), constant_values=1)
    rows, columns, height, width = framed.shape
    tiled = framed.transpose(0, 2, 1, 3).reshape(rows * height, columns * width)
    return (tiled * 255).round().astype(np.uint8)


def _plot_steps(axis: Axes, steps: Sequence[StepRow]) -> None:
    # A running mean over a hundredth of the training shows the course behind the scatter of single batches.
    window = max(1, len(steps) // 100)
    losses = np.array([row.loss for row in steps])
    smooth = np.convolve(losses, np.ones(window) / window, mode="valid")
    numbers = np.arange(1, len(losses) + 1)
    sns.lineplot(x=numbers, y=losses, ax=axis, alpha=0.35, linewidth=0.6, errorbar=None, label="each step")
    sns.lineplot(x=numbers[window - 1 :], y=smooth, ax=axis, errorbar=None, label=f"mean of the last {window}")
    axis.set(xlabel="step", ylabel="training loss", yscale="log", title="Each step")
