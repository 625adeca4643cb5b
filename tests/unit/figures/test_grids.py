import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import colors
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mnist_vae.figures import grids

SIZE = 8


def _images(rows: int, columns: int) -> np.ndarray:
    return np.random.default_rng(0).random((rows, columns, SIZE, SIZE)).astype(np.float32)


AXES = ("first", "second")
QUANTILES = np.array([[-2.0, -1.0, 0.0, 1.0], [-0.4, -0.2, 0.2, 0.4]])
DRAWN = {
    "reconstructions": lambda: grids.reconstructions(_images(4, 10), "Title"),
    "samples": lambda: grids.samples(_images(10, 10), "Title"),
    "perturbed": lambda: grids.perturbed(_images(10, 10), "Title"),
    "class_means": lambda: grids.class_means(_images(1, 10), "Title"),
    "interpolation": lambda: grids.interpolation(_images(1, 9), _images(1, 9), "Title"),
    "classes": lambda: grids.classes(_images(10, 10), 1 - _images(10, 10), "Title"),
    "plane": lambda: grids.plane(_images(4, 4), QUANTILES, AXES, "Title"),
}


def _axis(figure: Figure) -> Axes:
    (axis,) = figure.axes
    return axis


def _settings() -> dict[str, object]:
    # The backend is chosen when pyplot is first imported, whoever does it.
    return {name: mpl.rcParams[name] for name in mpl.rcParams if name != "backend"}


def _labels(axis: Axes) -> tuple[list[str], list[str]]:
    return [text.get_text() for text in axis.get_xticklabels()], [text.get_text() for text in axis.get_yticklabels()]


def _tile_of(axis: Axes, row: int, column: int) -> np.ndarray:
    tiled = np.asarray(axis.images[0].get_array())
    return tiled[row * 9 + 1 : row * 9 + 9, column * 9 + 1 : column * 9 + 9]


@pytest.mark.parametrize("name", DRAWN)
def test_drawing_leaves_matplotlibs_settings_alone(name: str) -> None:
    before = _settings()
    DRAWN[name]()
    assert _settings() == before


def test_drawing_does_not_change_the_meaning_of_colour_names() -> None:
    # No setting, but seaborn would change it too: what "b" and the other letters stand for.
    DRAWN["samples"]()
    assert colors.to_hex("b") == "#0000ff"


@pytest.mark.parametrize("name", DRAWN)
def test_drawing_can_be_rendered(name: str) -> None:
    DRAWN[name]().draw_without_rendering()


@pytest.mark.parametrize("name", DRAWN)
def test_figure_has_its_title(name: str) -> None:
    assert DRAWN[name]().get_suptitle() == "Title"


@pytest.mark.parametrize("name", DRAWN)
def test_grid_fills_the_width_of_its_figure_and_no_text_is_cut_off(name: str) -> None:
    figure = DRAWN[name]()
    figure.draw_without_rendering()
    box = figure.get_tightbbox()
    width, height = figure.get_size_inches()
    assert box.x0 >= 0
    assert box.x1 <= width
    assert box.width > 0.95 * width
    assert box.y0 >= 0
    assert box.y1 <= height


def test_images_lie_in_the_grid_at_their_places() -> None:
    images = _images(3, 5)
    images[0, 0, 0, 0], images[2, 4, 7, 7] = -0.5, 1.5  # clipped
    (shown,) = _axis(grids.samples(images, "")).images
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
    columns, rows = _labels(_axis(DRAWN["perturbed"]()))
    assert columns == ["original", "mean\ncode", *(f"noise\n{number}" for number in range(1, 9))]
    assert rows == _labels(_axis(DRAWN["class_means"]()))[0] == [str(label) for label in range(10)]
    assert _axis(DRAWN["perturbed"]()).get_ylabel() == _axis(DRAWN["class_means"]()).get_xlabel() == "class"


def test_labels_stand_at_the_middle_of_their_images() -> None:
    axis = _axis(DRAWN["perturbed"]())
    assert axis.get_xticks().tolist() == axis.get_yticks().tolist() == [4.5 + 9 * place for place in range(10)]


@pytest.mark.parametrize(
    ("steps", "shown"), [(2, [0, 1]), (9, list(range(9))), (100, [0, 9, 18, 27, 36, 45, 54, 63, 72, 81, 90, 99])]
)
def test_interpolation_shows_equal_distances_and_both_ends(steps: int, shown: list[int]) -> None:
    straight = _images(1, steps)
    spherical = 1 - straight
    axis = _axis(grids.interpolation(straight, spherical, ""))
    for place, step in enumerate(shown):
        for row, images in enumerate((straight, spherical)):
            assert np.array_equal(_tile_of(axis, row, place), np.rint(images[0, step] * 255))
    assert np.asarray(axis.images[0].get_array()).shape == (2 * 9, 9 * len(shown))
    columns, rows = _labels(axis)
    assert [float(label) for label in columns] == [round(step / (steps - 1), 2) for step in shown]
    assert rows == ["linear", "spherical"]
    assert axis.get_xlabel() == "fraction of the way to the second class"


def test_interpolation_without_an_arc_is_the_straight_line_alone() -> None:
    images = _images(1, 9)
    axis = _axis(grids.interpolation(images, None, ""))
    assert np.asarray(axis.images[0].get_array()).shape == (9, 9 * 9)
    assert _labels(axis)[1] == ["linear"]
    for place in range(9):
        assert np.array_equal(_tile_of(axis, 0, place), np.rint(images[0, place] * 255))


@pytest.mark.parametrize("columns", [1, 4, 10])
def test_classes_stand_twice_in_the_same_places(columns: int) -> None:
    originals = _images(10, columns)
    figure = grids.classes(originals, 1 - originals, "")
    left, right = figure.axes
    assert (left.get_title(), right.get_title()) == ("originals", "reconstructions")
    for axis, images in ((left, originals), (right, 1 - originals)):
        assert _labels(axis) == ([], [str(label) for label in range(10)])
        assert axis.get_ylabel() == "class"
        for label in range(10):
            for column in range(columns):
                assert np.array_equal(_tile_of(axis, label, column), np.rint(images[label, column] * 255))


def test_plane_names_its_axes_and_the_coordinates_of_its_images() -> None:
    images = _images(4, 4)
    axis = _axis(grids.plane(images, QUANTILES, AXES, "Title"))
    assert (axis.get_xlabel(), axis.get_ylabel()) == AXES
    # Every third label, each at its own image, the rows from the greatest coordinate down.
    assert _labels(axis) == (["-2.00", "1.00"], ["0.40", "-0.40"])
    assert axis.get_xticks().tolist() == axis.get_yticks().tolist() == [4.5, 4.5 + 3 * 9]
    for row in range(4):
        for column in range(4):
            assert np.array_equal(_tile_of(axis, row, column), np.rint(images[row, column] * 255))


@pytest.mark.parametrize("steps", [2, 3, 9])
def test_animation_goes_there_and_back_once(steps: int) -> None:
    images = _images(1, steps)
    frames = grids.animation(images)
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
    milliseconds = grids.animation_milliseconds(steps)
    assert milliseconds % 10 == 0
    assert milliseconds * steps / 1000 == pytest.approx(4, rel=0.26)


def test_no_frame_is_too_short_for_viewers() -> None:
    assert grids.animation_milliseconds(10_000) == 20
