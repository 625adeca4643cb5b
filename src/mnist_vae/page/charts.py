"""Line charts and labelled points as SVG, which stays sharp, follows the page's colours and can be read by hovering."""

import json
import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from markupsafe import Markup

_WIDTH, _HEIGHT = 440, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 430, 10, 216
_TICKS = 5
_LONGEST_NAME = 14  # letters beside a bar
_LETTER = 7.2  # about the width of one
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


def nice_ticks(low: float, high: float, *, whole: bool = False) -> list[float]:
    """Round numbers at equal distances, about five, the outer ones at or beyond the two ends; `whole`: no fractions."""
    if high - low < 1e-9 * max(abs(low), abs(high), 1e-9):
        low, high = low - max(abs(low), 1e-9) / 2, high + max(abs(high), 1e-9) / 2
    raw = (high - low) / (_TICKS - 1)
    power = 10.0 ** math.floor(math.log10(raw))
    steps = [factor * power for factor in _ROUND_STEPS]
    step = next(step for step in steps if step >= raw * (1 - 1e-9) and (not whole or step.is_integer()))
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
    means = [float(np.mean(values[start:end])) for start, end in pairwise(edges)]
    return edges[1:].tolist(), means


def _line_chart(chart: Chart) -> Markup:
    values = [value for series in chart.series for value in series.values]
    logarithmic = chart.logarithmic and min(values) > 0
    ticks = (log_ticks if logarithmic else nice_ticks)(min(values), max(values))
    up = Scale(ticks[0], ticks[-1], _BOTTOM, _TOP, logarithmic)
    across = Scale(float(chart.x[0]), float(max(chart.x[-1], chart.x[0] + 1)), _LEFT, _RIGHT)
    numbers = range(1, len(chart.series) + 1)
    dot = Markup('<circle class="dot" r="4" fill="var(--series-{})"/>')
    parts = [
        level_lines(ticks, up, _LEFT, _RIGHT),
        _places_below(chart.x, across, chart.x_label),
        *(_line(series, number, chart.x, across, up) for series, number in zip(chart.series, numbers, strict=True)),
        Markup('<line class="rule" y1="{}" y2="{}"/>').format(_TOP, _BOTTOM),
        *(dot.format(number) for number in numbers),
    ]
    data = json.dumps(_told(chart, across, up), separators=(",", ":"), sort_keys=True)
    label = f"{chart.title}: {_spoken(chart)}. The arrow keys read it out."
    return Markup('<svg viewBox="0 0 {} {}" tabindex="0" role="img" aria-label="{}" data-chart="{}">{}</svg>').format(
        _WIDTH, _HEIGHT, label, data, Markup("").join(parts)
    )


def _told(chart: Chart, across: Scale, up: Scale) -> dict:
    """What charts.js reads out, and where."""
    series = [
        {
            "name": series.name,
            "values": [f"{value:.4g}" for value in series.values],
            "heights": [up(value) for value in series.values],
        }
        for series in chart.series
    ]
    x = [f"{chart.x_label} {place:,}" for place in chart.x]
    return {"x": x, "places": [across(float(place)) for place in chart.x], "series": series}


def _spoken(chart: Chart) -> str:
    ends = [f"{series.name} from {series.values[0]:.4g} to {series.values[-1]:.4g}" for series in chart.series]
    return f"{chart.x_label} {chart.x[0]:,} to {chart.x[-1]:,}, {'; '.join(ends)}"


def level_lines(ticks: Sequence[float], up: Scale, left: int, right: int) -> Markup:
    """A line across the chart at each tick, and its number at the left."""
    line = Markup('<line class="axis" x1="{0}" x2="{1}" y1="{2}" y2="{2}"/>')
    number = Markup('<text x="{}" y="{}" text-anchor="end">{}</text>')
    return Markup("").join(
        line.format(left, right, up(tick)) + number.format(left - 8, up(tick) + 4, f"{tick:,.6g}") for tick in ticks
    )


def text_below(x: float, y: int, text: str) -> Markup:
    """A text whose middle is at a place."""
    return Markup('<text x="{}" y="{}" text-anchor="middle">{}</text>').format(x, y, text)


def _places_below(x: Sequence[int], across: Scale, label: str) -> Markup:
    ticks = {round(tick) for tick in nice_ticks(float(x[0]), float(x[-1]), whole=True)}
    shown = [
        text_below(across(float(place)), _BOTTOM + 17, f"{place:,}")
        for place in sorted(ticks & {*range(x[0], x[-1] + 1)})
    ]
    return Markup("").join([*shown, text_below((_LEFT + _RIGHT) / 2, _HEIGHT - 2, label)])


def _line(series: Series, number: int, x: Sequence[int], across: Scale, up: Scale) -> Markup:
    points = [(across(float(place)), up(value)) for place, value in zip(x, series.values, strict=True)]
    path = Markup('<polyline class="series" stroke="var(--series-{})" points="{}"/>').format(
        number, " ".join(f"{left:g},{top:g}" for left, top in points)
    )
    if len(points) > 1:
        return path
    return Markup('<circle r="3.5" fill="var(--series-{})" cx="{}" cy="{}"/>').format(number, *points[0])


def row_chart(title: str, names: Sequence[str], values: Sequence[float]) -> Markup:
    """A bar from left to right for each name, as SVG, with its number at the end."""
    left, right, tall = 12 + round(_LETTER * max(len(short_name(name)) for name in names)), _WIDTH - 60, 20
    across = Scale(0.0, max(*values, 0.0) or 1.0, left, right)
    row = Markup(
        '<text x="{0}" y="{1}" text-anchor="end"><title>{2}</title>{3}</text>'
        '<rect x="{4}" y="{5}" width="{6}" height="14" fill="var(--series-1)"><title>{2}: {7}</title></rect>'
        '<text x="{8}" y="{1}">{7}</text>'
    )
    rows = []
    for place, (name, value) in enumerate(zip(names, values, strict=True)):
        number, end = f"{value:.4g}", across(value)
        top = tall * place
        rows.append(
            row.format(left - 8, top + 14, name, short_name(name), left, top + 3, round(end - left, 1), number, end + 6)
        )
    return Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}, from {} to {}">{}</svg>').format(
        _WIDTH, tall * len(names) + 4, title, f"{min(values):.4g}", f"{max(values):.4g}", Markup("").join(rows)
    )


def short_name(name: str) -> str:
    """A name that fits beside a bar: of a long one the middle is left out."""
    half = _LONGEST_NAME // 2
    return name if len(name) <= _LONGEST_NAME else f"{name[:half]}…{name[1 - half :]}"


def bar_chart(title: str, names: Sequence[str], values: Sequence[float], label: str) -> Markup:
    """A bar for each name, as SVG; each tells its number where the pointer rests."""
    ticks = nice_ticks(0.0, max(*values, 0.0) or 1.0)
    up, width = Scale(ticks[0], ticks[-1], _BOTTOM, _TOP), (_RIGHT - _LEFT) / len(values)
    bar = Markup('<rect x="{}" y="{}" width="{}" height="{}" fill="var(--series-1)"><title>{}: {}</title></rect>')
    every = next(step for step in (1, 2, 5, 10, 20) if step >= len(names) / 10 or step == 20)
    parts = [level_lines(ticks, up, _LEFT, _RIGHT), text_below((_LEFT + _RIGHT) / 2, _HEIGHT - 2, label)]
    for place, (name, value) in enumerate(zip(names, values, strict=True)):
        left, top = round(_LEFT + width * (place + 0.1), 2), up(value)
        parts.append(bar.format(left, top, round(width * 0.8, 2), round(_BOTTOM - top, 1), name, f"{value:.4g}"))
        if every == 1 or (place + 1) % every == 0:
            parts.append(text_below(round(left + width * 0.4, 1), _BOTTOM + 17, name))
    return Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}, from {} to {}">{}</svg>').format(
        _WIDTH, _HEIGHT, title, f"{min(values):.4g}", f"{max(values):.4g}", Markup("").join(parts)
    )
