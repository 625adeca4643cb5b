"""The charts: every value where it belongs, and SVG that a parser takes."""

import json
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from mnist_vae.page.charts import Chart, Scale, Series, bar_chart, log_ticks, nice_ticks, thin_out
from mnist_vae.page.points import Point, point_chart

SHARP = '<a & "b">'


@pytest.mark.parametrize(
    ("low", "high"),
    [
        (0.0, 1.0),
        (0.3, 0.7),
        (-5.0, 17.0),
        (1e-7, 3e-7),
        (123456.0, 234567.0),
        (5.0, 5.0),
        (0.0, 0.0),
        (1.0, 1 + 1e-12),
    ],
)
def test_ticks_are_few_round_and_enclose_the_values(low: float, high: float) -> None:
    ticks = nice_ticks(low, high)
    assert ticks[0] <= low
    assert high <= ticks[-1]
    assert 2 <= len(ticks) <= 7
    np.testing.assert_allclose(np.diff(ticks), ticks[1] - ticks[0])


@pytest.mark.parametrize(("low", "high"), [(0.05, 0.97), (1.0, 1.0), (1.0, 1000.0), (0.0131, 0.0132), (2.0, 5.0)])
def test_logarithmic_ticks_enclose_the_values(low: float, high: float) -> None:
    ticks = log_ticks(low, high)
    assert ticks[0] <= low
    assert high <= ticks[-1]
    assert len(ticks) >= 2
    assert {f"{tick:e}"[0] for tick in ticks} <= set("125")
    assert ticks[1] > low
    assert len(ticks) == 2 or ticks[-2] < high


def test_scale_leads_from_end_to_end() -> None:
    scale = Scale(10, 1000, 200, 0, logarithmic=True)
    assert [scale(value) for value in (10.0, 100.0, 1000.0)] == [200, 100, 0]
    assert Scale(10, 20, 0, 50)(12.0) == 10


def test_thinning_out_keeps_the_mean_and_the_last_place() -> None:
    values = np.random.default_rng(0).random(1003).tolist()
    places, means = thin_out(values, 10)
    assert len(places) == 10
    assert places[-1] == 1003
    assert np.average(means, weights=np.diff([0, *places])) == pytest.approx(np.mean(values))
    assert thin_out([3.0, 4.0], 10) == ([1, 2], [3.0, 4.0])


@pytest.mark.parametrize("logarithmic", [False, True])
@pytest.mark.parametrize("count", [1, 2, 30])
def test_line_chart_draws_and_tells_each_value(count: int, *, logarithmic: bool) -> None:
    values = [1 / (place + 1) for place in range(count)]
    series = [Series(SHARP, values), Series("other", [2 * value for value in values])]
    svg = ET.fromstring(str(Chart("t", "c", "epoch", range(1, count + 1), series, logarithmic).svg()))
    told = json.loads(svg.attrib["data-chart"])
    assert told["x"] == [f"epoch {place}" for place in range(1, count + 1)]
    assert [line["name"] for line in told["series"]] == [SHARP, "other"]
    assert told["series"][0]["values"] == [f"{value:.4g}" for value in values]
    drawn = [line.attrib["points"].split() for line in svg.iter("polyline")]
    assert len(drawn) == (2 if count > 1 else 0)
    for line, points in zip(told["series"], drawn, strict=False):
        assert [float(point.split(",")[1]) for point in points] == line["heights"]
    heights = np.array(told["series"][0]["heights"])
    assert (np.diff(heights) > 0).all()  # falling values lead downwards
    assert len(list(svg.iter("circle"))) == (2 if count > 1 else 4)


def test_bars_are_as_high_as_their_values() -> None:
    svg = ET.fromstring(str(bar_chart("t", ["a", SHARP, "c"], [1.0, 0.5, 0.0], "class")))
    heights = [float(bar.attrib["height"]) for bar in svg.iter("rect")]
    assert heights == pytest.approx([206, 103, 0])
    assert [title.text for title in svg.iter("title")] == ["a: 1", f"{SHARP}: 0.5", "c: 0"]
    assert len(list(ET.fromstring(str(bar_chart("t", ["a"], [0.0], "x"))).iter("rect"))) == 1


@pytest.mark.parametrize("count", [5, 12])
def test_names_of_points_cover_neither_points_nor_each_other(count: int) -> None:
    points = [
        Point(f"system-{number}", 10 + number / 20, 0.1 + number / 500, 1 + number % 3) for number in range(count)
    ]
    points += [Point("far away", 100.0, 10.0, 1)] if count > 5 else []  # then the others are a crowd
    svg = ET.fromstring(str(point_chart(points, [[(10.0, 0.1), (11.0, 0.2)]], "rate", "distortion")))
    forms = [len(list(svg.iter(form))) for form in ("circle", "rect", "polygon")]
    assert forms == ([2, 2, 1] if count == 5 else [5, 4, 4])
    names = [text for text in svg.iter("text") if text.attrib.get("class") == "name"]
    assert [name.text for name in names] == [point.name for point in points]
    boxes = [(float(name.attrib["x"]), float(name.attrib["y"])) for name in names]
    middles = [(float(one.attrib["cx"]), float(one.attrib["cy"])) for one in svg.iter("circle")]
    middles += [(float(one.attrib["x"]) + 5, float(one.attrib["y"]) + 5) for one in svg.iter("rect")]
    for place, (left, bottom) in enumerate(boxes):
        for other_left, other_bottom in boxes[:place]:
            assert abs(bottom - other_bottom) >= 10 or abs(left - other_left) >= 50
        assert not any(left <= across <= left + 50 and bottom - 10 <= down <= bottom for across, down in middles)
    lines = [line for line in svg.iter("line") if line.attrib.get("class") == "leader"]
    assert count == 5 or len(lines) >= 6


def test_points_lie_to_the_right_by_their_value_and_upwards_by_its_logarithm() -> None:
    points = [Point(str(x), x, y, 1) for x, y in ((10.0, 0.01), (20.0, 0.1), (40.0, 1.0))]
    circles = list(ET.fromstring(str(point_chart(points, [], "rate", "distortion"))).iter("circle"))
    left, up = (np.diff([float(circle.attrib[name]) for circle in circles]) for name in ("cx", "cy"))
    assert left[0] > 0
    assert left[1] == pytest.approx(2 * left[0], abs=0.2)
    assert up[0] < 0  # SVG counts downwards
    assert up[1] == pytest.approx(up[0], abs=0.2)
