"""The figure of the growth benchmark."""

from collections.abc import Sequence

import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator, StrMethodFormatter

from growth_summary import Measured
from mnist_vae.figures.style import figure_style

_MARKERS = "osD^"
_AXES = {
    "images": "images in all",
    "image_size": "image_size (pixels a side)",
    "latent_dim": "latent_dim (dimensions)",
    "base_channels": "base_channels",
}
_MEGABYTE = 1e6


def growth_figure(measured: Sequence[Measured]) -> Figure:
    """Seconds above, memory below, log–log; a column for each size that changes, a line for each stage."""
    with figure_style():
        figure = Figure(figsize=(17, 9), layout="constrained")
        figure.suptitle("Time and memory of each stage, over one epoch")
        axes = figure.subplots(2, len(_AXES), sharex="col", sharey="row")
        for column, (name, label) in enumerate(_AXES.items()):
            points = _series(measured, name)
            _draw_column(axes[:, column], name, points)
            axes[1, column].set(xlabel=label)
        axes[0, 0].set(ylabel="seconds of the stage's process")
        axes[1, 0].set(ylabel="peak memory (MB)")
        figure.legend(handles=_legend(list(measured[0].stages)), loc="outside lower center", ncols=7)
        return figure


def _series(measured: Sequence[Measured], name: str) -> list[Measured]:
    """The points at which nothing but that differs, in its order."""
    if name == "images":
        return sorted((one for one in measured if not one.point.params), key=lambda one: one.images)
    unscaled = next(one for one in measured if not one.point.params and one.point.name == "×1")
    changed = [one for one in measured if name in one.point.params]
    return sorted([unscaled, *changed], key=lambda one: one.params[name])


def _draw_column(axes: Sequence[Axes], name: str, points: Sequence[Measured]) -> None:
    above, below = axes
    places = [one.images if name == "images" else one.params[name] for one in points]
    for stage, colour, marker in _looks(list(points[0].stages)):
        costs = [one.stages[stage] for one in points]
        above.plot(places, [cost.seconds for cost in costs], color=colour, marker=marker)
        below.plot(places, [cost.peak_bytes / _MEGABYTE for cost in costs], color=colour, marker=marker)
        own = [cost.own_peak_bytes / _MEGABYTE for cost in costs]
        below.plot(places, own, color=colour, marker=marker, linestyle="--", markerfacecolor="white", linewidth=1)
    below.plot(places, [one.data_bytes / _MEGABYTE for one in points], color="black", linestyle=":")
    for axis in axes:
        axis.set(xscale="log", yscale="log")
        axis.set_xticks(places, [f"{place:,}" for place in places])
        axis.xaxis.set_minor_locator(NullLocator())
        axis.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))


def _looks(stages: Sequence[str]) -> list[tuple[str, tuple, str]]:
    return list(zip(stages, sns.color_palette("colorblind", len(stages)), _MARKERS, strict=True))


def _legend(stages: Sequence[str]) -> list[Line2D]:
    lines = [Line2D([], [], color=colour, marker=marker, label=stage) for stage, colour, marker in _looks(stages)]
    return [
        *lines,
        Line2D([], [], color="grey", label="all memory, with mapped files"),
        Line2D([], [], color="grey", linestyle="--", linewidth=1, label="memory of the process's own"),
        Line2D([], [], color="black", linestyle=":", label="the uint8 data set"),
    ]
