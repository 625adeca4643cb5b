"""Figures of images of any number of classes, from none to hundreds."""

from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from builders import epoch_row, tiny_images, tiny_latents, tiny_model, tiny_params
from mnist_vae.common.params import Params
from mnist_vae.data.history import StepRow
from mnist_vae.data.prepared import load_class_names
from mnist_vae.figures.arrays import Pictures, draw_pictures, load_pictures, save_pictures
from mnist_vae.figures.charts import scatter
from mnist_vae.figures.comparison import Member, side_by_side
from mnist_vae.figures.gallery import Course, Drawing, Subject, draw_gallery
from mnist_vae.figures.grids import reconstructions, short_names

COURSE = Course([epoch_row()], [StepRow(1, 1, 1.0), StepRow(1, 2, 0.5)])
BY_CLASS = {"class_originals", "class_reconstructions", "class_means", "labels", "linear_interpolation"}
PETS = ("cat", "dog")


def _params(**changes: object) -> Params:
    ends = {"interpolation_from": "cat", "interpolation_to": "dog"} | changes
    return tiny_params(dataset="custom", custom_data="mine", **ends)


def _pictures(names: tuple[str, ...], count: int, **changes: object) -> Pictures:
    labels = (np.arange(count) % max(len(names), 1)).astype(np.uint16)
    latents = tiny_latents(max(count, 10))
    latents = latents._replace(mean=latents.mean[:count], kl=latents.kl[:count], labels=labels)
    figures = _params(**changes).of_figures()
    return draw_pictures(tiny_model().eval(), tiny_images(count), latents, 0, figures, names)


@cache  # a gallery takes a third of a second, and no test changes it
def _gallery(names: tuple[str, ...], count: int, **changes: object) -> dict[str, Drawing]:
    subject = Subject("Mine", "summed squared error", _params(**changes).of_figures(), names)
    return {drawing.name: drawing for drawing in draw_gallery(_pictures(names, count, **changes), COURSE, subject)}


def _figure(drawing: Drawing) -> Figure:
    assert drawing.figure is not None
    drawing.figure.draw_without_rendering()
    return drawing.figure


def _title(drawing: Drawing) -> str:
    return " ".join(_figure(drawing).get_suptitle().split())


def test_two_classes_are_named_in_their_figures() -> None:
    gallery = _gallery(PETS, 30)
    assert [name for name, drawing in gallery.items() if drawing.figure is None] == []
    (means,) = _figure(gallery["class_means"]).axes
    assert [text.get_text() for text in means.get_xticklabels()] == ["cat", "dog"]
    for name in ("classes", "perturbed"):
        axis = _figure(gallery[name]).axes[0]
        assert [text.get_text() for text in axis.get_yticklabels()] == ["cat", "dog"]
    legend = _figure(gallery["scatter"]).axes[0].get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["cat", "dog"]
    assert "from class cat to class dog" in _title(gallery["interpolation"])


def test_titles_of_few_classes_fit() -> None:
    figure = _figure(_gallery(PETS, 30)["class_means"])
    box, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    assert min(box.x0, box.y0, width - box.x1, height - box.y1) >= 0


def test_images_without_classes_have_the_figures_that_need_none() -> None:
    gallery = _gallery((), 30)
    absent = {name: drawing.absence for name, drawing in gallery.items() if drawing.figure is None}
    assert absent == dict.fromkeys(["classes", "class_means", "interpolation"], "the images have no classes")
    assert _figure(gallery["scatter"]).axes[0].get_legend() is None
    assert _pictures((), 30).perturbed is not None


def test_pictures_without_classes_are_saved_and_loaded(tmp_path: Path) -> None:
    pictures = _pictures((), 30)
    assert {name for name, value in pictures._asdict().items() if value is None} >= BY_CLASS
    save_pictures(pictures, tmp_path / "file", ())
    again = load_pictures(tmp_path / "file")
    for name, value in pictures._asdict().items():
        assert np.array_equal(getattr(again, name), value), name
    assert load_class_names(tmp_path / "file") == ()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"interpolation_to": 8}, "interpolation_to is 8, but there are 2 classes"),
        ({"interpolation_to": 0}, "the same class"),
    ],
)
def test_interpolation_without_two_classes_is_left_out_with_a_line(changes: dict, says: str) -> None:
    gallery = _gallery(PETS, 30, **changes)
    assert says in gallery["interpolation"].absence
    assert _gallery(PETS, 30, interpolation_to=1)["interpolation"].figure is not None


def test_hundreds_of_classes_are_drawn_as_far_as_they_fit() -> None:
    names = tuple(f"class {number}" for number in range(300))
    gallery = _gallery(names, 600, interpolation_from=0, interpolation_to="class 299")
    for name in ("classes", "perturbed"):
        assert "(the first 50 of 300 classes)" in _title(gallery[name])
    assert "300 classes, too many for a legend" in _figure(gallery["scatter"]).axes[0].get_title()
    rows = _figure(gallery["class_means"]).axes
    shown = [text.get_text() for axis in rows for text in axis.get_xticklabels()]
    assert shown == list(names)
    assert "from class class 0 to class class 299" in _title(gallery["interpolation"])


@pytest.mark.parametrize(("count", "columns"), [(2, 1), (3, 1), (11, 5), (20, 10), (30, 10)])
def test_few_test_images_are_reconstructed_as_far_as_they_go(count: int, columns: int) -> None:
    assert _pictures(PETS, count).reconstructions.shape == (4, columns, 16, 16)


def test_each_class_has_a_colour_of_its_own() -> None:
    labels = np.arange(47, dtype=np.uint8)
    figure = scatter(np.random.default_rng(0).random((47, 2)), labels, ("x", "y"), "Title", tuple(map(str, labels)))
    colours = figure.axes[0].collections[0].get_facecolor()
    assert len({tuple(colour) for colour in np.asarray(colours).tolist()}) == 47


def test_long_names_keep_their_ends_and_formulas_are_none() -> None:
    assert short_names(["cat", "twelve chars", "golden retriever 2"]) == ["cat", "twelve chars", "golden…ver 2"]
    assert short_names(["$x$"]) == [r"\$x\$"]


NAMED_LONG = tuple(f"retriever number {number}" for number in range(12))


def test_no_text_of_long_names_is_cut_off_or_covers_another() -> None:
    gallery = _gallery(NAMED_LONG, 60, interpolation_from=0, interpolation_to=1)
    for drawing in gallery.values():
        figure = _figure(drawing)
        box, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
        assert min(box.x0, box.y0, width - box.x1, height - box.y1) >= 0, drawing.name
    for axis in _figure(gallery["class_means"]).axes:
        boxes = [text.get_window_extent() for text in axis.get_xticklabels()]
        assert not any(left.overlaps(right) for left, right in pairwise(boxes))


@pytest.mark.parametrize("count", [0, 2, 12, 72, 73])
def test_comparison_has_one_legend_of_classes_if_they_fit(count: int) -> None:
    names = tuple(f"retriever number {number}" for number in range(count))
    pictures = _pictures(names, max(2 * count, 30), interpolation_from=0, interpolation_to=1)
    figure = side_by_side([Member("left", pictures, names), Member("right", pictures, names)], "Title")
    figure.draw_without_rendering()
    box, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    assert min(box.x0, box.y0, width - box.x1, height - box.y1) >= 0
    shown = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    assert shown == (short_names(names) if count <= 72 else [])
    assert ("73 classes, too many for a legend" in figure.get_supxlabel()) == (count == 73)


def test_single_column_of_images_does_not_fill_the_width() -> None:
    figure = reconstructions(np.zeros((4, 1, 8, 8), np.float32), "Title")
    assert figure.get_size_inches()[1] < 6


def test_class_whose_name_begins_with_an_underscore_is_in_the_legend() -> None:
    labels = np.array([0, 1, 0, 1], np.uint8)
    figure = scatter(np.eye(4, 2), labels, ("x", "y"), "Title", ("_background", "cat"))
    legend = figure.axes[0].get_legend()
    assert legend is not None
    assert [text.get_text().strip() for text in legend.get_texts()] == ["_background", "cat"]
    figure.draw_without_rendering()
