"""Figures of likelihoods: bounds by the number of samples, and the course of a training by its seconds."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from matplotlib.figure import Figure

from mnist_vae.figures.style import figure_style, titled_figure

_MARKERS = "osD^vP*X"


class Curve(NamedTuple):
    """A system's name, and its negative log-likelihood in nats by what is on the horizontal axis."""

    name: str
    nll: Mapping[int, float] | Mapping[float, float]


def bounds_figure(curves: Sequence[Curve]) -> Figure:
    """The bounds on the negative log-likelihood of the test images, by the number of importance samples."""
    title = "Bounds on the negative log-likelihood of the test images"
    return _curves_figure(curves, title, "importance samples per image", "NLL at most, nats per image")


def course_figure(curves: Sequence[Curve], samples: int) -> Figure:
    """The negative log-likelihood of the validation images, by the seconds of training."""
    title = "Negative log-likelihood (NLL) of the validation images"
    return _curves_figure(curves, title, "seconds of training", f"NLL from {samples} samples, nats per image")


def _curves_figure(curves: Sequence[Curve], title: str, across: str, up: str) -> Figure:
    with figure_style():
        figure = titled_figure(title, 5.0)
        axis = figure.subplots()
        for number, curve in enumerate(curves):
            marker = _MARKERS[number % len(_MARKERS)]
            axis.plot(list(curve.nll), list(curve.nll.values()), marker=marker, markersize=5, label=curve.name)
        axis.set(xscale="log", xlabel=across, ylabel=up)
        axis.legend()
        return figure
