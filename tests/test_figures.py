import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import colors
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mnist_vae import figures
from mnist_vae.history import EpochRow, StepRow

SIZE = 8


def _images(rows: int, columns: int) -> np.ndarray:
    return np.random.default_rng(0).random((rows, columns, SIZE, SIZE)).astype(np.float32)


EPOCHS = [EpochRow(epoch, *(part + 1 / epoch for part in range(1, 7))) for epoch in (1, 2, 3)]
STEPS = [StepRow(1 + step // 100, step + 1, 2 - step / 300) for step in range(300)]
DRAWN = {
    "reconstructions": lambda: figures.reconstructions(_images(4, 10), "Title"),
    "samples": lambda: figures.samples(_images(10, 10), "Title"),
    "permutations": lambda: figures.permutations(_images(10, 10), "Title"),
    "class_means": lambda: figures.class_means(_images(1, 10), "Title"),
    "interpolation": lambda: figures.interpolation(_images(1, 9), "Title"),
    "training_curves": lambda: figures.training_curves(EPOCHS, STEPS, "summed squared error", "Title"),
}


def _axis(figure: Figure) -> Axes:
    (axis,) = figure.axes
    return axis


def _settings() -> dict[str, object]:
    # The backend is chosen when pyplot is first imported, whoever does it.
    return {name: mpl.rcParams[name] for name in mpl.rcParams if name != "backend"}


def _labels(axis: Axes) -> tuple[list[str], list[str]]:
    return [text.get_text() for text in axis.get_xticklabels()], [text.get_text() for text in axis.get_yticklabels()]


@pytest.mark.parametrize("name", DRAWN)
def test_drawing_leaves_matplotlibs_settings_alone(name: str) -> None:
    before = _settings()
    DRAWN[name]()
    assert _settings() == before


def test_drawing_leaves_the_meaning_of_colours_names_alone() -> None:
    # No setting, but seaborn would change it too: what "b" and the other letters stand for.
    DRAWN["samples"]()
    assert colors.to_hex("b") == "#0000ff"


@pytest.mark.parametrize("name", DRAWN)
def test_figure_has_its_title(name: str) -> None:
    figure = DRAWN[name]()
    assert "Title" in {figure.get_suptitle(), *(axis.get_title() for axis in figure.axes)}


def test_images_lie_in_the_grid_at_their_places() -> None:
    images = _images(3, 5)
    images[0, 0, 0, 0], images[2, 4, 7, 7] = -0.5, 1.5  # clipped
    (shown,) = _axis(figures.samples(images, "")).images
    tiled = np.asarray(shown.get_array())
    assert (shown.get_clim(), shown.get_cmap().name) == ((0, 255), "gray")
    covered = np.zeros(tiled.shape, bool)
    for row in range(3):
        for column in range(5):
            place = np.s_[row * 9 + 1 : row * 9 + 9, column * 9 + 1 : column * 9 + 9]
            assert np.array_equal(tiled[place], np.rint(images[row, column].clip(0, 1) * 255))
            covered[place] = True
    assert (tiled[~covered] == 255).all()


def test_rows_and_columns_are_labelled() -> None:
    assert _labels(_axis(DRAWN["reconstructions"]())) == ([], ["original", "reconstruction"] * 2)
    assert _labels(_axis(DRAWN["samples"]())) == ([], [])
    columns, rows = _labels(_axis(DRAWN["permutations"]()))
    assert columns == ["original", "mean code", *(f"+ noise {number}" for number in range(1, 9))]
    assert rows == _labels(_axis(DRAWN["class_means"]()))[0] == [str(label) for label in range(10)]
    assert _axis(DRAWN["permutations"]()).get_ylabel() == _axis(DRAWN["class_means"]()).get_xlabel() == "class"


def test_labels_stand_at_the_middle_of_their_images() -> None:
    axis = _axis(DRAWN["permutations"]())
    assert axis.get_xticks().tolist() == axis.get_yticks().tolist() == [4.5 + 9 * place for place in range(10)]


@pytest.mark.parametrize(
    ("steps", "shown"), [(2, [0, 1]), (9, list(range(9))), (100, [0, 9, 18, 27, 36, 45, 54, 63, 72, 81, 90, 99])]
)
def test_interpolation_shows_equal_distances_and_both_ends(steps: int, shown: list[int]) -> None:
    images = _images(1, steps)
    axis = _axis(figures.interpolation(images, ""))
    tiled = np.asarray(axis.images[0].get_array())
    for place, step in enumerate(shown):
        assert np.array_equal(tiled[1:9, place * 9 + 1 : place * 9 + 9], np.rint(images[0, step] * 255))
    assert tiled.shape == (9, 9 * len(shown))
    assert [float(label) for label in _labels(axis)[0]] == [round(step / (steps - 1), 2) for step in shown]


def test_training_curves_have_units_and_both_splits() -> None:
    figure = DRAWN["training_curves"]()
    each_step, *each_epoch = figure.axes
    assert (each_step.get_xlabel(), each_step.get_ylabel()) == ("step", "training loss")
    assert [axis.get_xlabel() for axis in each_epoch] == ["epoch"] * 3
    loss, distortion, rate = (axis.get_ylabel() for axis in each_epoch)
    assert loss == "loss"
    assert "distortion" in distortion
    assert "summed squared error" in distortion
    assert "nats" in rate
    for axis, names in zip(each_epoch, ("loss", "distortion_per_image", "kl_nats_per_image"), strict=True):
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
    figures.training_curves(EPOCHS[:1], STEPS[:1], "nats", "").draw_without_rendering()


@pytest.mark.parametrize("steps", [2, 3, 9])
def test_animation_goes_there_and_back_once(steps: int) -> None:
    images = _images(1, steps)
    frames = figures.animation(images)
    order = [*range(steps), *range(steps - 2, 0, -1)]
    assert len(frames) == len(order) == 2 * steps - 2
    for frame, step in zip(frames, order, strict=True):
        factor, rest = divmod(frame.width, SIZE)
        assert (frame.width, rest) == (frame.height, 0)
        assert factor > 1
        enlarged = np.kron(np.rint(images[0, step] * 255), np.ones((factor, factor)))
        assert np.array_equal(np.asarray(frame), enlarged)


@pytest.mark.parametrize("steps", [2, 10, 50, 100, 150, 200])
def test_animation_takes_about_four_seconds_one_way(steps: int) -> None:
    milliseconds = figures.animation_milliseconds(steps)
    assert milliseconds % 10 == 0
    assert milliseconds * steps / 1000 == pytest.approx(4, rel=0.26)


def test_no_frame_is_too_short_for_viewers() -> None:
    assert figures.animation_milliseconds(10_000) == 20
