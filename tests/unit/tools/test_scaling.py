"""What the scaling benchmark makes of its measurements."""

import numpy as np
import pytest

from scaling import against_images
from scaling_figure import scaling_figure

MEGABYTE = 1_000_000


def _points(seconds_an_image: float = 0.001, bytes_a_byte: float = 0.5, power: float = 1) -> list[dict]:
    """Stages that take 3 s and 100 MB, and so much more for each image and byte beyond the first point's."""
    sizes = [("least", 1128, 1000, {}), *((f"×{n}", n * 5000, n * 1000, {}) for n in (1, 4, 16))]
    points = []
    for name, train, test, params in [*sizes, ("×1, latent_dim 16", 5000, 1000, {"latent_dim": 16})]:
        beyond = train + test - 2128
        cost = {
            "seconds": 3 + seconds_an_image * beyond**power,
            "peak_bytes": 100 * MEGABYTE + bytes_a_byte * beyond * 1024,
        }
        points.append(
            {
                "name": name,
                "train_size": train,
                "test_size": test,
                "params": params,
                "data_bytes": 1024 * (train + test),
                "latents_bytes": 32 * (train - 1000 + 2 * test),
                "stages": dict.fromkeys(("preprocess", "train", "evaluate", "render"), cost),
            }
        )
    return points


@pytest.mark.parametrize("power", [1, 1.5])
def test_slope_is_the_power_of_images_that_time_grows_with(power: float) -> None:
    assert against_images(_points(power=power))["train"]["slope"] == pytest.approx(power)


def test_time_that_does_not_grow_has_no_slope() -> None:
    assert against_images(_points(seconds_an_image=1e-6))["train"]["slope"] is None


def test_seconds_are_told_for_each_more_image() -> None:
    assert against_images(_points(seconds_an_image=0.002))["render"]["microseconds_per_image"] == pytest.approx(2000)


def test_memory_growth_is_given_per_byte_of_data_and_latents() -> None:
    growth = against_images(_points(bytes_a_byte=0.5))
    assert growth["train"]["bytes_per_byte_of_data_and_latents"] == pytest.approx(0.5)
    # Latents of 8 dimensions: about 32 bytes for each of ×16's 111,000, while an image has 1,024.
    latents, data = 32 * (79_000 + 2 * 16_000), 1024 * 96_000
    assert growth["evaluate"]["bytes_per_byte_of_data_and_latents"] == pytest.approx(
        0.5 * data / (data + latents), rel=0.01
    )


def test_figure_has_a_line_for_each_stage_and_size() -> None:
    result = {"points": _points(), "unscaled": {"image_size": 32, "latent_dim": 8, "conv_channels": [4, 8]}}
    figure = scaling_figure(result)
    seconds, memory = figure.axes[:2]
    assert np.asarray(seconds.lines[0].get_ydata()) == pytest.approx([3, 6.872, 24.872, 96.872])
    assert np.asarray(seconds.lines[0].get_xdata()).tolist() == [2128, 6000, 24_000, 96_000]
    assert len(memory.lines) == 4 + 1
    assert np.asarray(figure.axes[4].lines[0].get_xdata()).tolist() == [8, 16]
