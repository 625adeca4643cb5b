"""The figure of the scaling benchmark, drawn from its JSON file."""

from collections.abc import Sequence

import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator, StrMethodFormatter

from mnist_vae.figures.style import figure_style, titled_figure

_MARKERS = "osD^"
_AXES = {
    "images": "images in all",
    "image_size": "image_size (pixels a side)",
    "latent_dim": "latent_dim (dimensions)",
    "conv_channels": "conv_channels (the first of them)",
}
_MEGABYTE = 1e6


def scaling_figure(result: dict) -> Figure:
    """Seconds on the left, memory on the right, log–log. Each varied size has a row, and each stage has a line."""
    stages = list(result["points"][0]["stages"])
    with figure_style():
        figure = titled_figure("Time and memory of each stage, one epoch", 11.0)
        axes = figure.subplots(len(_AXES), 2, sharey="col")
        for row, (name, label) in zip(axes, _AXES.items(), strict=True):
            _draw_row(row, *_series(result, name))
            row[0].set(xlabel=label, ylabel="seconds")
            row[1].set(xlabel=label, ylabel="peak memory, MB")
        lines = [Line2D([], [], color=colour, marker=marker, label=stage) for stage, colour, marker in _looks(stages)]
        data = Line2D([], [], color="black", linestyle=":", label="uint8 data")
        figure.legend(handles=[*lines, data], loc="outside lower center", ncols=5, columnspacing=1)
        return figure


def _series(result: dict, name: str) -> tuple[list[int], list[dict]]:
    """The values of the size `name` in ascending order, and the points that differ only in this size."""
    unchanged = [point for point in result["points"] if not point["params"]]
    if name == "images":
        placed = [(point["train_size"] + point["test_size"], point) for point in unchanged]
    else:
        changed = [(point["params"][name], point) for point in result["points"] if name in point["params"]]
        unscaled = next(point for point in unchanged if point["name"] == "×1")
        values = [(result["unscaled"][name], unscaled), *changed]
        placed = [(value[0] if isinstance(value, list | tuple) else value, point) for value, point in values]
    placed.sort(key=lambda pair: pair[0])
    return [place for place, _ in placed], [point for _, point in placed]


def _draw_row(axes: Sequence[Axes], places: Sequence[int], points: Sequence[dict]) -> None:
    seconds, memory = axes
    for stage, colour, marker in _looks(list(points[0]["stages"])):
        costs = [point["stages"][stage] for point in points]
        seconds.plot(places, [cost["seconds"] for cost in costs], color=colour, marker=marker)
        memory.plot(places, [cost["peak_bytes"] / _MEGABYTE for cost in costs], color=colour, marker=marker)
    memory.plot(places, [point["data_bytes"] / _MEGABYTE for point in points], color="black", linestyle=":")
    for axis in axes:
        axis.set(xscale="log", yscale="log")
        axis.set_xticks(places, [f"{place:,}" for place in places])
        axis.xaxis.set_minor_locator(NullLocator())
        axis.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))


def _looks(stages: Sequence[str]) -> list[tuple[str, tuple, str]]:
    return list(zip(stages, sns.color_palette("colorblind", len(stages)), _MARKERS, strict=True))
