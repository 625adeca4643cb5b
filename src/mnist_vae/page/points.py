"""Labelled points as SVG, distances upwards on a logarithmic scale."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from markupsafe import Markup

from mnist_vae.page.charts import Scale, level_lines, log_ticks, nice_ticks, text_below

_WIDTH, _HEIGHT = 640, 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 625, 26, 374
_LETTER, _LINE = 6.6, 13  # about the width and height of a letter
_RADIUS = 5
_CORNER = 6.5  # from the middle of a diamond to its corner


class Point(NamedTuple):
    """A point's name, its place, and the number of its series from 1 to 3, which is its colour and form."""

    name: str
    x: float
    y: float
    series: int


class _Box(NamedTuple):
    left: float
    top: float
    right: float
    bottom: float

    def holds(self, other: "_Box") -> bool:
        return (
            self.left < other.left and other.right < self.right and self.top < other.top and other.bottom < self.bottom
        )

    def meets(self, other: "_Box") -> bool:
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )


_PLOT = _Box(_LEFT, 16, _RIGHT + 10, _BOTTOM)  # below the axis title


def point_chart(
    points: Sequence[Point], lines: Sequence[Sequence[tuple[float, float]]], x_label: str, y_label: str
) -> Markup:
    """The points with their names, and thin lines through some places."""
    across_ticks = nice_ticks(0.0, max(point.x for point in points))
    up_ticks = log_ticks(min(point.y for point in points), max(point.y for point in points))
    across = Scale(across_ticks[0], across_ticks[-1], _LEFT + 14, _RIGHT)
    level = Scale(up_ticks[0], up_ticks[-1], _BOTTOM, _TOP, logarithmic=True)

    def place(x: float, y: float) -> tuple[float, float]:
        return across(x), level(y)

    places = [place(point.x, point.y) for point in points]
    family = Markup('<polyline class="family" points="{}"/>')
    drawn = [" ".join(f"{left:g},{top:g}" for left, top in (place(*one) for one in line)) for line in lines]
    parts = [
        level_lines(up_ticks, level, _LEFT, _RIGHT),
        *(text_below(across(tick), _BOTTOM + 18, f"{tick:g}") for tick in across_ticks),
        text_below((_LEFT + _RIGHT) / 2, _HEIGHT - 6, x_label),
        Markup('<text x="4" y="12">{}</text>').format(y_label),
        *map(family.format, drawn),
        *(_mark(point, *at) for point, at in zip(points, places, strict=True)),
        *_names(points, places),
    ]
    spoken = "; ".join(f"{point.name}: {point.x:.3g}, {point.y:.3g}" for point in points)
    return Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{} against {}: {}">{}</svg>').format(
        _WIDTH, _HEIGHT, y_label, x_label, spoken, Markup("").join(parts)
    )


def _mark(point: Point, left: float, top: float) -> Markup:
    title = Markup("<title>{}: {}, {}</title>").format(point.name, f"{point.x:.4g}", f"{point.y:.4g}")
    if point.series == 1:
        form = Markup('<circle cx="{}" cy="{}" r="{}" fill="var(--series-1)">{}</circle>')
        return form.format(left, top, _RADIUS, title)
    if point.series == 2:
        form = Markup('<rect x="{}" y="{}" width="{}" height="{}" fill="var(--series-2)">{}</rect>')
        return form.format(round(left - _RADIUS, 1), round(top - _RADIUS, 1), 2 * _RADIUS, 2 * _RADIUS, title)
    corners = ((0, -_CORNER), (_CORNER, 0), (0, _CORNER), (-_CORNER, 0))
    places = " ".join(f"{left + right:g},{top + below:g}" for right, below in corners)
    return Markup('<polygon points="{}" fill="var(--series-3)">{}</polygon>').format(places, title)


def _places(name: str, left: float, top: float) -> tuple[list[_Box], list[_Box]]:
    """Where the name of the point at (left, top) may be: beside it, and apart from it."""
    width = _LETTER * len(name)

    def boxes(heights: Iterable[int], gap: int) -> list[_Box]:
        starts = (left + gap, left - gap - width)
        return [_Box(start, top + below - _LINE, start + width, top + below) for below in heights for start in starts]

    apart = [height for step in range(1, 10) for height in (-14 * step, 14 * step + _LINE)]
    return boxes((-4, 14, 5), 8), boxes(apart, 24)


def _names(points: Sequence[Point], places: Sequence[tuple[float, float]]) -> list[Markup]:
    """Each name at the first place near its point where it covers no point, no other name and no edge, if any is.

    A line leads from a point to its name if that is not beside it.
    """
    taken = [_Box(left - _CORNER, top - _CORNER, left + _CORNER, top + _CORNER) for left, top in places]
    names = []
    for point, (left, top) in zip(points, places, strict=True):
        beside, apart = _places(point.name, left, top)
        boxes = beside + apart
        free = [box for box in boxes if _PLOT.holds(box) and not any(map(box.meets, taken))]
        box = (free or boxes)[0]
        taken.append(box)
        if box in apart:
            end = box.left - 2 if box.left > left else box.right + 2
            line = Markup('<line class="leader" x1="{:g}" y1="{:g}" x2="{:g}" y2="{:g}"/>')
            names.append(line.format(left, top, end, box.bottom - _LINE / 2))
        names.append(
            Markup('<text class="name" x="{}" y="{}">{}</text>').format(
                round(box.left, 1), round(box.bottom - 3, 1), point.name
            )
        )
    return names
