from collections.abc import Sequence

import numpy as np
import pytest

from builders import FIGURES, PLAIN, epoch_row, tiny_images, tiny_latents, tiny_model, tiny_params
from mnist_vae.data.history import StepRow
from mnist_vae.figures.arrays import Pictures, draw_pictures
from mnist_vae.figures.gallery import Course, Drawing, Subject, draw_gallery, plane_axis_titles

COUNT = 34
COURSE = Course([epoch_row()], [StepRow(1, 1, 1.0), StepRow(1, 2, 0.5)])
NO_PRIOR, NO_PLANE = "a plain autoencoder has no prior", "it needs two latent dimensions"


def _pictures(*, sign: int = 1, **changes: object) -> Pictures:
    """Of a tiny model, whose class means 1 and 8 have one direction, or with sign -1 opposite ones."""
    params = tiny_params(**changes)
    latents = tiny_latents(COUNT, params.latent_dim)
    mean = np.abs(latents.mean)
    mean[latents.labels == 1] = 0.5
    mean[latents.labels == 8] = sign
    return draw_pictures(
        tiny_model(**changes).eval(), tiny_images(COUNT), latents._replace(mean=mean), 0, params.of_figures()
    )


def _gallery(pictures: Pictures, **changes: object) -> list[Drawing]:
    subject = Subject("Digits", "summed squared error", tiny_params(**changes).of_figures())
    return list(draw_gallery(pictures, COURSE, subject))


def _titles(drawing: Drawing) -> str:
    assert drawing.figure is not None
    return " ".join([drawing.figure.get_suptitle(), *(axis.get_title() for axis in drawing.figure.axes)])


def _absences(gallery: Sequence[Drawing]) -> dict[str, str]:
    return {drawing.name: drawing.absence for drawing in gallery if drawing.figure is None}


@pytest.mark.parametrize(
    ("changes", "absences"),
    [
        ({}, {}),
        ({"latent_dim": 2}, {}),
        (PLAIN, dict.fromkeys(["samples", "perturbed", "latent_dimensions"], NO_PRIOR)),
        ({"latent_dim": 1}, dict.fromkeys(["scatter", "plane"], NO_PLANE)),
        (
            {"latent_dim": 1, **PLAIN},
            dict.fromkeys(["samples", "perturbed", "latent_dimensions"], NO_PRIOR)
            | dict.fromkeys(["scatter", "plane"], NO_PLANE),
        ),
    ],
    ids=["variational", "two dimensions", "plain", "one dimension", "plain, one dimension"],
)
def test_each_figure_is_drawn_or_said_to_be_impossible(changes: dict, absences: dict[str, str]) -> None:
    gallery = _gallery(_pictures(**changes))
    assert [drawing.name for drawing in gallery] == FIGURES
    assert _absences(gallery) == absences
    for drawing in gallery:
        if drawing.figure is not None:
            assert drawing.absence == ""
            assert _titles(drawing).count("Digits: ") == 1


def test_missing_spherical_interpolation_has_a_reason_and_the_linear_one_is_drawn() -> None:
    pictures = _pictures(latent_dim=1, sign=-1)
    gallery = _gallery(pictures)
    names = [drawing.name for drawing in gallery]
    assert names == [*FIGURES[:7], "spherical interpolation", *FIGURES[7:]]
    assert "opposite directions" in _absences(gallery)["spherical interpolation"]
    figure = gallery[6].figure
    assert figure is not None
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["linear"]


def test_axes_of_scatter_and_plane_are_named_alike() -> None:
    pictures = _pictures()
    first, second = plane_axis_titles(pictures)
    assert pictures.explained_variance is not None
    for title, number, share in zip((first, second), (1, 2), pictures.explained_variance.tolist(), strict=True):
        assert title == f"principal component {number} ({100 * share:.1f} % of the variance)"
    drawn = {drawing.name: drawing.figure for drawing in _gallery(pictures)}
    for name in ("scatter", "plane"):
        figure = drawn[name]
        assert figure is not None
        assert (figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel()) == (first, second)


@pytest.mark.parametrize("changes", [{}, PLAIN], ids=["variational", "plain"])
def test_axes_of_two_dimensions_are_the_dimensions(changes: dict) -> None:
    assert plane_axis_titles(_pictures(latent_dim=2, **changes)) == ("latent dimension 1", "latent dimension 2")


def test_titles_name_the_values_of_the_figure_parameters() -> None:
    pictures = _pictures()
    changes: dict[str, object] = {"interpolation_from": 7, "interpolation_to": 2}
    titles = {drawing.name: _titles(drawing) for drawing in _gallery(pictures, **changes)}
    assert "from class 7 to class 2" in titles["interpolation"]
    assert "from a Gaussian fitted" in titles["fitted_samples"]
    changes = {"fitted_components": 4}
    titles = {drawing.name: _titles(drawing) for drawing in _gallery(pictures, **changes)}
    assert "from 4 Gaussians fitted" in titles["fitted_samples"]


def test_training_curves_have_the_unit_of_the_distortion() -> None:
    *_, training = _gallery(_pictures())
    assert training.figure is not None
    assert any("summed squared error" in axis.get_ylabel() for axis in training.figure.axes)


def test_fitted_samples_and_samples_are_two_figures() -> None:
    drawn = {drawing.name: drawing.figure for drawing in _gallery(_pictures())}
    shown = []
    for name in ("samples", "fitted_samples"):
        figure = drawn[name]
        assert figure is not None
        shown.append(np.asarray(figure.axes[0].images[0].get_array()))
    assert shown[0].shape == shown[1].shape
    assert not np.array_equal(*shown)
