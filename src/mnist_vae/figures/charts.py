"""Charts of numbers: the training curves and the latent space. This module needs no torch and no files."""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, UInt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mnist_vae.common.catalogue import DIGITS
from mnist_vae.data.history import EpochRow, StepRow
from mnist_vae.data.latents import ACTIVE_VARIANCE, active_dimensions
from mnist_vae.figures.grids import short_names
from mnist_vae.figures.light_seaborn import sns
from mnist_vae.figures.style import figure_style, titled_figure

MOST_IN_LEGEND = 72  # classes
_LEGEND_ROWS = 24
_DISTINCT = 10  # colours


def training_curves(
    epochs: Sequence[EpochRow], steps: Sequence[StepRow], reconstruction_unit: str, title: str
) -> Figure:
    """The loss of each step, and the loss, reconstruction error and KL of each epoch for training and validation."""
    with figure_style():
        figure = titled_figure(title, 6.2)
        axes = figure.subplots(2, 2)
        _plot_steps(axes[0, 0], steps)
        number = [row.epoch for row in epochs]
        for axis, name, unit in (
            (axes[0, 1], "loss", "loss"),
            (
                axes[1, 0],
                "reconstruction_error_per_image",
                f"reconstruction error,\n{reconstruction_unit}".replace(", ", ",\n", 1),
            ),
            (axes[1, 1], "kl_nats_per_image", "KL, nats per image"),
        ):
            for split, label in ("train", "training, sampled codes"), ("validation", "validation, mean codes"):
                values = [getattr(row, f"{split}_{name}") for row in epochs]
                sns.lineplot(x=number, y=values, ax=axis, label=label, marker="o", errorbar=None)
            axis.set(xlabel="epoch", ylabel=unit)
            axis.xaxis.get_major_locator().set_params(integer=True)
        axes[0, 1].set_title("Each epoch")
        return figure


def scatter(
    coordinates: Float[np.ndarray, "N 2"],
    labels: UInt[np.ndarray, " N"] | None,
    axis_titles: tuple[str, str],
    title: str,
    class_names: Sequence[str] = DIGITS,
) -> Figure:
    """A point for each latent code, coloured by class if the images have classes."""
    with figure_style():
        figure = titled_figure(title, 6.9)
        axis = figure.subplots()
        draw_scatter(axis, coordinates, labels, axis_titles, class_names)
        if named := len(axis.get_legend_handles_labels()[1]):
            columns = math.ceil(named / _LEGEND_ROWS)
            axis.legend(title="class", loc="center left", bbox_to_anchor=(1, 0.5), ncols=columns)
        elif labels is not None:
            axis.set_title(f"{len(class_names)} classes, too many for a legend")
        return figure


def draw_scatter(
    axis: Axes,
    coordinates: Float[np.ndarray, "N 2"],
    labels: UInt[np.ndarray, " N"] | None,
    axis_titles: tuple[str, str],
    class_names: Sequence[str] = DIGITS,
) -> None:
    """Draw the scatter into existing axes, with a legend entry for each class, unless these are too many."""
    axis.set(xlabel=axis_titles[0], ylabel=axis_titles[1], aspect="equal")
    if labels is None:
        axis.scatter(*coordinates.T, s=6, linewidth=0, alpha=0.6)
        return
    count = len(class_names)
    # Up to ten colours differ clearly. With more classes, each has its own hue, and neighbouring hues look alike.
    palette = np.array(sns.color_palette("tab10") if count <= _DISTINCT else sns.color_palette("husl", count))
    # The points are drawn in the order of the images. Drawn class by class, the last class would cover the others.
    axis.scatter(*coordinates.T, c=palette[labels], s=6, linewidth=0, alpha=0.6)
    if count <= MOST_IN_LEGEND:
        for name, colour in zip(short_names(class_names), palette, strict=False):
            # Matplotlib leaves a label out of the legend if it begins with an underscore.
            label = f"\N{HAIR SPACE}{name}" if name.startswith("_") else name
            axis.scatter([], [], color=colour, label=label)


def latent_dimensions(kl: Float[np.ndarray, " D"], mean_variance: Float[np.ndarray, " D"], title: str) -> Figure:
    """The KL of each latent dimension and the variance of its mean code. The dimensions are ordered by KL."""
    with figure_style():
        order = kl.argsort(kind="stable")[::-1]
        rank = np.arange(1, len(kl) + 1)
        active = active_dimensions(mean_variance)
        figure = titled_figure(title, 5.8)
        above, below = figure.subplots(2, 1, sharex=True)
        above.bar(rank, kl[order], width=1, linewidth=0, antialiased=False)
        above.axvline(active + 0.5, color="black", linestyle="--", label=f"{active} of {len(kl)} dimensions are active")
        above.set(ylabel="KL (nats)")
        above.margins(y=0.25)  # room for the legend
        below.plot(rank, mean_variance[order], "o", markersize=4)
        below.axhline(ACTIVE_VARIANCE, color="black", linestyle="--", label=f"active above {ACTIVE_VARIANCE}")
        below.set(xlabel="latent dimensions, ordered by KL", ylabel="variance of the mean code\nover the test images")
        below.set_yscale("log")
        below.xaxis.get_major_locator().set_params(integer=True)
        for axis in (above, below):
            axis.legend(loc="upper center")
        return figure


def _plot_steps(axis: Axes, steps: Sequence[StepRow]) -> None:
    # The losses of single batches are noisy. A running mean over a hundredth of the training shows the trend.
    window = max(1, len(steps) // 100)
    losses = np.array([row.loss for row in steps])
    smooth = np.convolve(losses, np.ones(window) / window, mode="valid")
    numbers = np.arange(1, len(losses) + 1)
    sns.lineplot(x=numbers, y=losses, ax=axis, alpha=0.35, linewidth=0.6, errorbar=None, label="each step")
    sns.lineplot(x=numbers[window - 1 :], y=smooth, ax=axis, errorbar=None, label=f"mean of the last {window}")
    axis.set(xlabel="step", ylabel="training loss", yscale="log", title="Each step")
