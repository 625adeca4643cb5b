"""What the growth benchmark makes of its measurements."""

import json
from pathlib import Path

import numpy as np
import pytest

from growth_figure import growth_figure
from growth_summary import Measured, Point, StageCost, growth_with_images
from growth_table import growth_table

MEGABYTE = 1_000_000


def _measured(seconds_an_image: float = 0.001, bytes_a_byte: float = 0.5, power: float = 1) -> list[Measured]:
    """Stages that take 3 s and 100 MB, and so much more for each image and byte beyond the first point's."""
    points = [Point("least", 1128, 1000, {})] + [Point(f"×{n}", n * 5000, n * 1000, {}) for n in (1, 4, 16)]
    found = []
    for point in [*points, Point("latent_dim 16", 5000, 1000, {"latent_dim": 16})]:
        params = {"image_size": 32, "latent_dim": 8, "base_channels": 4, "validation_size": 1000} | point.params
        beyond = point.train_size + point.test_size - 2128
        peak = 100 * MEGABYTE + round(bytes_a_byte * beyond * 1024)
        cost = StageCost(3 + seconds_an_image * beyond**power, peak, 50 * MEGABYTE)
        found.append(Measured(point, params, dict.fromkeys(("preprocess", "train", "evaluate", "render"), cost)))
    return found


@pytest.mark.parametrize("power", [1, 1.5])
def test_slope_is_the_power_of_images_that_time_grows_with(power: float) -> None:
    growth = growth_with_images(_measured(power=power))["train"]
    assert growth["slope"] == pytest.approx(power)
    assert growth["constant_seconds"] == 3


def test_time_that_does_not_grow_has_no_slope() -> None:
    assert growth_with_images(_measured(seconds_an_image=1e-6))["train"]["slope"] is None


def test_memory_is_told_for_each_byte_of_data_and_of_the_codes_that_a_stage_keeps() -> None:
    growth = growth_with_images(_measured(bytes_a_byte=0.5))
    assert growth["train"]["bytes_per_byte_of_data"] == pytest.approx(0.5)
    assert growth["train"]["bytes_per_byte_of_data_and_codes"] == pytest.approx(0.5)
    # Codes of 8 dimensions: about 32 bytes for each of ×16's 111,000, where an image has 1,024.
    assert growth["evaluate"]["bytes_per_byte_of_data"] == pytest.approx(0.5)
    codes, data = 32 * (79_000 + 2 * 16_000), 1024 * 96_000
    assert growth["evaluate"]["bytes_per_byte_of_data_and_codes"] == pytest.approx(
        0.5 * data / (data + codes), rel=0.01
    )


def test_table_has_a_row_for_each_point(tmp_path: Path) -> None:
    (tmp_path / "benchmarks").mkdir()
    assert "make growth" in growth_table(tmp_path)
    measured = _measured()
    content = {
        "machine": {"device": "cpu (2 threads)", "torch": "9.9"},
        "epochs": 1,
        "points": [
            {**one.point._asdict(), "stages": {name: cost._asdict() for name, cost in one.stages.items()}}
            for one in measured
        ],
        "against the number of images": growth_with_images(measured),
    }
    (tmp_path / "benchmarks" / "growth.json").write_text(json.dumps(content))
    lines = growth_table(tmp_path).splitlines()
    assert lines[2] == "| cpu (2 threads), torch 9.9, 1 epoch | preprocess | train | evaluate | render |"
    cell = "6.9 s, 102 (50) MB"
    assert f"| ×1: 5,000 + 1,000 images | {cell} | {cell} | {cell} | {cell} |" in lines
    assert f"| ×1, latent_dim 16 | {cell} | {cell} | {cell} | {cell} |" in lines
    assert sum(line.startswith("| time: ") and line.endswith("| 1.00 | 1.00 | 1.00 | 1.00 |") for line in lines) == 1


def test_figure_has_a_line_for_each_stage_and_size() -> None:
    figure = growth_figure(_measured())
    above, below = figure.axes[0], figure.axes[4]
    assert np.asarray(above.lines[0].get_ydata()) == pytest.approx([3, 6.872, 24.872, 96.872])
    assert np.asarray(above.lines[0].get_xdata()).tolist() == [2128, 6000, 24_000, 96_000]
    assert len(below.lines) == 2 * 4 + 1
    assert np.asarray(figure.axes[2].lines[0].get_xdata()).tolist() == [8, 16]
