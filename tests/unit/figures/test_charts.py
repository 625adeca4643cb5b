import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.patches import Rectangle

from builders import epoch_row
from mnist_vae.data.history import StepRow
from mnist_vae.figures import charts

EPOCHS = [epoch_row(epoch) for epoch in (1, 2, 3)]
STEPS = [StepRow(1 + step // 100, step + 1, 2 - step / 300) for step in range(300)]
COORDINATES = np.random.default_rng(0).standard_normal((60, 2))
LABELS = (np.arange(60) % 7).astype(np.uint8)
PALETTE = np.asarray(mpl.colormaps["tab10"](np.arange(10)))[:, :3]
# Three dimensions of five in use, in no order.
KL = np.array([0.5, 3.0, 0.001, 2.0, 0.002])
VARIANCE = np.array([0.3, 0.9, 0.0001, 0.8, 0.002])
DRAWN = {
    "training_curves": lambda: charts.training_curves(EPOCHS, STEPS, "summed squared error", "Title"),
    "scatter": lambda: charts.scatter(COORDINATES, LABELS, ("first", "second"), "Title"),
    "latent_dimensions": lambda: charts.latent_dimensions(KL, VARIANCE, "Title"),
}


def _settings() -> dict[str, object]:
    # The backend is chosen when pyplot is first imported, whoever does it.
    return {name: mpl.rcParams[name] for name in mpl.rcParams if name != "backend"}


def _legend(axis: Axes) -> list[str]:
    legend = axis.get_legend()
    assert legend is not None
    return [text.get_text() for text in legend.get_texts()]


@pytest.mark.parametrize("name", DRAWN)
def test_drawing_leaves_matplotlibs_settings_alone(name: str) -> None:
    before = _settings()
    DRAWN[name]()
    assert _settings() == before


@pytest.mark.parametrize("name", DRAWN)
def test_figure_has_its_title_and_can_be_rendered(name: str) -> None:
    figure = DRAWN[name]()
    figure.draw_without_rendering()
    assert figure.get_suptitle() == "Title"


def test_training_curves_have_units_and_both_splits() -> None:
    figure = DRAWN["training_curves"]()
    each_step, *each_epoch = figure.axes
    assert (each_step.get_xlabel(), each_step.get_ylabel()) == ("step", "training loss")
    assert [axis.get_xlabel() for axis in each_epoch] == ["epoch"] * 3
    loss, error, kl = (axis.get_ylabel() for axis in each_epoch)
    assert loss == "loss"
    assert "reconstruction error" in error
    assert "summed squared error" in error
    assert kl == "KL, nats per image"
    for axis, names in zip(each_epoch, ("loss", "reconstruction_error_per_image", "kl_nats_per_image"), strict=True):
        drawn = [np.asarray(line.get_xydata()).tolist() for line in axis.lines[:2]]
        expected = [
            [[row.epoch, getattr(row, f"{split}_{names}")] for row in EPOCHS] for split in ("train", "validation")
        ]
        assert drawn == expected
        assert len(axis.get_legend_handles_labels()[1]) == 2
        assert axis.get_legend() is not None


def test_each_steps_loss_is_drawn_with_a_running_mean() -> None:
    losses, smooth = (np.asarray(line.get_xydata()) for line in DRAWN["training_curves"]().axes[0].lines[:2])
    assert losses.tolist() == [[row.step, row.loss] for row in STEPS]
    # The mean of the last three of 300 steps, from the third on.
    assert len(smooth) == 298
    for place in (0, 100, 297):
        step, mean = smooth[place]
        assert step == place + 3
        assert mean == pytest.approx(sum(row.loss for row in STEPS[place : place + 3]) / 3)


def test_single_epoch_of_a_single_step_can_be_drawn() -> None:
    charts.training_curves(EPOCHS[:1], STEPS[:1], "nats", "").draw_without_rendering()


def test_scatter_has_a_point_for_each_code_in_its_classs_colour() -> None:
    (axis,) = DRAWN["scatter"]().axes
    points = axis.collections[0]
    assert isinstance(points, PathCollection)
    assert np.array_equal(np.asarray(points.get_offsets()), COORDINATES)
    np.testing.assert_allclose(np.asarray(points.get_facecolor())[:, :3], PALETTE[LABELS])
    assert (axis.get_xlabel(), axis.get_ylabel(), axis.get_aspect()) == ("first", "second", 1.0)


def test_scatters_legend_has_an_entry_of_its_own_colour_for_each_of_the_ten_classes() -> None:
    (axis,) = DRAWN["scatter"]().axes
    # Seven of them have codes here.
    assert _legend(axis) == [str(label) for label in range(10)]
    handles, _ = axis.get_legend_handles_labels()
    shown = [np.asarray(handle.get_facecolor())[0, :3] for handle in handles if isinstance(handle, PathCollection)]
    np.testing.assert_allclose(shown, PALETTE)


def test_latent_dimensions_are_drawn_in_order_of_their_kl() -> None:
    above, below = DRAWN["latent_dimensions"]().axes
    bars = [(bar.get_center()[0], bar.get_height()) for bar in above.patches if isinstance(bar, Rectangle)]
    np.testing.assert_allclose(bars, [(1, 3.0), (2, 2.0), (3, 0.5), (4, 0.002), (5, 0.001)], rtol=1e-12)
    points = np.asarray(below.lines[0].get_xydata()).tolist()
    assert points == [[1, 0.9], [2, 0.8], [3, 0.3], [4, 0.002], [5, 0.0001]]
    assert (above.get_ylabel(), below.get_yscale()) == ("KL (nats)", "log")
    assert "variance" in below.get_ylabel()


def test_latent_dimensions_have_lines_at_the_active_ones_and_at_their_threshold() -> None:
    above, below = DRAWN["latent_dimensions"]().axes
    (between,) = above.lines
    assert set(np.asarray(between.get_xdata()).tolist()) == {3.5}
    assert _legend(above) == ["3 of 5 dimensions are active"]
    (_, threshold) = below.lines
    assert set(np.asarray(threshold.get_ydata()).tolist()) == {0.01}
    assert _legend(below) == ["active above 0.01"]


@pytest.mark.parametrize("dimensions", [1, 2, 128])
def test_any_number_of_latent_dimensions_can_be_drawn(dimensions: int) -> None:
    kl, variance = np.random.default_rng(0).exponential(size=(2, dimensions))
    charts.latent_dimensions(kl, variance, "").draw_without_rendering()
