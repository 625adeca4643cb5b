"""The figure of the scaling benchmark, from what its JSON file holds."""

from collections.abc import Sequence

import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator, StrMethodFormatter

from mnist_vae.figures.style import figure_style

_MARKERS = "osD^"
_AXES = {
    "images": "images in all",
    "image_size": "image_size (pixels a side)",
    "latent_dim": "latent_dim (dimensions)",
    "conv_channels": "conv_channels (the first of them)",
}
_MEGABYTE = 1e6


def scaling_figure(result: dict) -> Figure:
    """Seconds above, memory below, log–log; a column for each size that changes, a line for each stage."""
    stages = list(result["points"][0]["stages"])
    with figure_style():
        figure = Figure(figsize=(17, 9), layout="constrained")
        figure.suptitle("Time and memory of each stage, over one epoch")
        axes = figure.subplots(2, len(_AXES), sharex="col", sharey="row")
        for column, (name, label) in enumerate(_AXES.items()):
            _draw_column(axes[:, column], *_series(result, name))
            axes[1, column].set(xlabel=label)
        axes[0, 0].set(ylabel="seconds of the stage's process")
        axes[1, 0].set(ylabel="peak memory (MB)")
        lines = [Line2D([], [], color=colour, marker=marker, label=stage) for stage, colour, marker in _looks(stages)]
        data = Line2D([], [], color="black", linestyle=":", label="the uint8 data set")
        figure.legend(handles=[*lines, data], loc="outside lower center", ncols=5)
        return figure


def _series(result: dict, name: str) -> tuple[list[int], list[dict]]:
    """The places on the horizontal axis, and the points at which nothing but that differs, in their order."""
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


def _draw_column(axes: Sequence[Axes], places: Sequence[int], points: Sequence[dict]) -> None:
    above, below = axes
    for stage, colour, marker in _looks(list(points[0]["stages"])):
        costs = [point["stages"][stage] for point in points]
        above.plot(places, [cost["seconds"] for cost in costs], color=colour, marker=marker)
        below.plot(places, [cost["peak_bytes"] / _MEGABYTE for cost in costs], color=colour, marker=marker)
    below.plot(places, [point["data_bytes"] / _MEGABYTE for point in points], color="black", linestyle=":")
    for axis in axes:
        axis.set(xscale="log", yscale="log")
        axis.set_xticks(places, [f"{place:,}" for place in places])
        axis.xaxis.set_minor_locator(NullLocator())
        axis.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))


def _looks(stages: Sequence[str]) -> list[tuple[str, tuple, str]]:
    return list(zip(stages, sns.color_palette("colorblind", len(stages)), _MARKERS, strict=True))
