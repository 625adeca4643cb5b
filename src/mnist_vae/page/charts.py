"""Line charts and labelled points as SVG, which stays sharp, follows the page's colours and can be read by hovering."""

import json
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from markupsafe import Markup, escape

_WIDTH, _HEIGHT = 440, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 430, 10, 216
_TICKS = 5
_ROUND_STEPS = (1, 2, 2.5, 5, 10)


class Series(NamedTuple):
    """A line's name and its values, one for each place on the horizontal axis."""

    name: str
    values: Sequence[float]


class Chart(NamedTuple):
    """A chart's heading, what it shows in a sentence, the words below and its lines."""

    title: str
    caption: str
    x_label: str
    x: Sequence[int]
    series: Sequence[Series]
    logarithmic: bool = False

    def svg(self) -> Markup:
        """The chart as SVG with the numbers that its script reads out."""
        return _line_chart(self)


class Scale(NamedTuple):
    """Numbers between two ends as places between two others."""

    low: float
    high: float
    first: float
    last: float
    logarithmic: bool = False

    def __call__(self, value: float) -> float:
        low, high = self.low, self.high
        share = math.log(value / low) / math.log(high / low) if self.logarithmic else (value - low) / (high - low)
        return round(self.first + (self.last - self.first) * share, 1)


def nice_ticks(low: float, high: float) -> list[float]:
    """Round numbers at equal distances, about five, the outer ones at or beyond the two ends."""
    if high - low < 1e-9 * max(abs(low), abs(high), 1e-9):
        low, high = low - max(abs(low), 1e-9) / 2, high + max(abs(high), 1e-9) / 2
    raw = (high - low) / (_TICKS - 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in _ROUND_STEPS if factor * power >= raw * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(count * step, 12) for count in range(first, last + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten, the outer ones at or beyond the two ends, which are above 0."""
    powers = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1)
    steps = [float(f"{factor}e{power}") for power in powers for factor in (1, 2, 5)]
    first = max(place for place, step in enumerate(steps) if step <= low)
    last = next((place for place, step in enumerate(steps) if step >= high and place > first), len(steps) - 1)
    return steps[first : last + 1]


def thin_out(values: Sequence[float], most: int) -> tuple[list[int], list[float]]:
    """At most so many places, counted from 1, and the mean of the values from the place before up to each."""
    count = min(len(values), most)
    edges = np.linspace(0, len(values), count + 1).round().astype(int)
    means = [float(np.mean(values[start:end])) for start, end in zip(edges[:-1], edges[1:], strict=True)]
    return edges[1:].tolist(), means


def _line_chart(chart: Chart) -> Markup:
    values = [value for series in chart.series for value in series.values]
    logarithmic = chart.logarithmic and min(values) > 0
    ticks = (log_ticks if logarithmic else nice_ticks)(min(values), max(values))
    up = Scale(ticks[0], ticks[-1], _BOTTOM, _TOP, logarithmic)
    first, last = chart.x[0], max(chart.x[-1], chart.x[0] + 1)
    across = Scale(first, last, _LEFT, _RIGHT)
    data = {
        "x": [f"{chart.x_label} {place:,}" for place in chart.x],
        "left": _LEFT,
        "right": _RIGHT,
        "places": [round((place - first) / (last - first), 4) for place in chart.x],
        "series": [
            {
                "name": series.name,
                "values": [f"{value:.4g}" for value in series.values],
                "heights": [up(value) for value in series.values],
            }
            for series in chart.series
        ],
    }
    parts = [_axes(ticks, up, chart.x, across, chart.x_label)]
    parts += [_line(series, number, chart.x, across, up) for number, series in enumerate(chart.series, 1)]
    parts.append(Markup('<line class="rule" y1="{}" y2="{}"/>').format(_TOP, _BOTTOM))
    parts += [
        Markup('<circle class="dot" r="4" fill="var(--series-{})"/>').format(number)
        for number in range(1, len(chart.series) + 1)
    ]
    label = f"{chart.title}: {_spoken(chart)}. The arrow keys read it out."
    return Markup('<svg viewBox="0 0 {} {}" tabindex="0" role="img" aria-label="{}" data-chart="{}">{}</svg>').format(
        _WIDTH, _HEIGHT, label, json.dumps(data, separators=(",", ":"), sort_keys=True), Markup("").join(parts)
    )


def _spoken(chart: Chart) -> str:
    ends = [f"{series.name} from {series.values[0]:.4g} to {series.values[-1]:.4g}" for series in chart.series]
    return f"{chart.x_label} {chart.x[0]:,} to {chart.x[-1]:,}, {'; '.join(ends)}"


def _axes(ticks: Sequence[float], up: Scale, x: Sequence[int], across: Scale, x_label: str) -> Markup:
    parts = []
    for tick in ticks:
        parts.append(
            Markup(
                '<line class="axis" x1="{0}" x2="{1}" y1="{2}" y2="{2}"/><text x="{3}" y="{4}" text-anchor="end">{5}</text>'
            ).format(_LEFT, _RIGHT, up(tick), _LEFT - 8, up(tick) + 4, f"{tick:,.6g}")
        )
    whole = sorted({round(tick) for tick in nice_ticks(x[0], x[-1]) if x[0] <= round(tick) <= x[-1]})
    parts += [
        Markup('<text x="{}" y="{}" text-anchor="middle">{}</text>').format(across(place), _BOTTOM + 17, f"{place:,}")
        for place in whole
    ]
    middle = (_LEFT + _RIGHT) / 2
    parts.append(
        Markup('<text x="{}" y="{}" text-anchor="middle">{}</text>').format(middle, _HEIGHT - 2, x_label)
    )
    return Markup("").join(parts)


def _line(series: Series, number: int, x: Sequence[int], across: Scale, up: Scale) -> Markup:
    points = [(across(place), up(value)) for place, value in zip(x, series.values, strict=True)]
    path = Markup('<polyline class="series" stroke="var(--series-{})" points="{}"/>').format(
        number, " ".join(f"{left:g},{top:g}" for left, top in points)
    )
    if len(points) > 1:
        return path
    return Markup('<circle r="3.5" fill="var(--series-{})" cx="{}" cy="{}"/>').format(number, *points[0])


def bar_chart(title: str, names: Sequence[str], values: Sequence[float], label: str) -> Markup:
    """A bar for each name, as SVG; each tells its number where the pointer rests."""
    ticks = nice_ticks(0, max(*values, 0) or 1)
    up = Scale(ticks[0], ticks[-1], _BOTTOM, _TOP)
    width = (_RIGHT - _LEFT) / len(values)
    parts = [
        Markup(
            '<line class="axis" x1="{0}" x2="{1}" y1="{2}" y2="{2}"/><text x="{3}" y="{4}" text-anchor="end">{5}</text>'
        ).format(_LEFT, _RIGHT, up(tick), _LEFT - 8, up(tick) + 4, f"{tick:,.6g}")
        for tick in ticks
    ]
    every = next(step for step in (1, 2, 5, 10, 20) if step >= len(names) / 10 or step == 20)
    for place, (name, value) in enumerate(zip(names, values, strict=True)):
        left = round(_LEFT + width * (place + 0.1), 2)
        parts.append(
            Markup('<rect x="{}" y="{}" width="{}" height="{}" fill="var(--series-1)"><title>{}: {}</title></rect>').format(
                left, up(value), round(width * 0.8, 2), round(_BOTTOM - up(value), 1), name, f"{value:.4g}"
            )
        )
        if every == 1 or (place + 1) % every == 0:
            parts.append(
                Markup('<text x="{}" y="{}" text-anchor="middle">{}</text>').format(
                    round(left + width * 0.4, 1), _BOTTOM + 17, name
                )
            )
    middle = (_LEFT + _RIGHT) / 2
    parts.append(Markup('<text x="{}" y="{}" text-anchor="middle">{}</text>').format(middle, _HEIGHT - 2, label))
    spoken = f"{title}, from {min(values):.4g} to {max(values):.4g}"
    return Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        _WIDTH, _HEIGHT, escape(spoken), Markup("").join(parts)
    )
