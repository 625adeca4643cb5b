import numpy as np
import pytest

from builders import tiny_images, tiny_latents, tiny_model, tiny_params
from mnist_vae.figures.arrays import Pictures, draw_pictures
from mnist_vae.figures.comparison import (
    Member,
    System,
    autoencoder_pairs,
    kl_weight_families,
    rate_distortion,
    side_by_side,
)


def _system(name: str, kl: float = 1.0, mse: float = 0.5, **changes: object) -> System:
    return System(name, tiny_params(**changes), kl, mse)


def _pictures(latent_dim: int) -> Pictures:
    params = tiny_params(latent_dim=latent_dim)
    latents = tiny_latents(34, latent_dim)
    return draw_pictures(tiny_model(latent_dim=latent_dim).eval(), tiny_images(34), latents, 0, params.of_figures())


SYSTEMS = [
    _system("standard", 30, 0.02, kl_weight=0.1),
    _system("strong", 5, 0.1, kl_weight=4.0),
    _system("weak", 90, 0.01, kl_weight=0.01),
    _system("alone", 3, 0.2, latent_dim=2),
    # Whatever weighs the KL that it has not.
    _system("plain", 0, 0.005, variational=False, kl_weight=0.7, free_nats=0.5),
    _system("plain alone", 0, 0.005, variational=False, kl_weight=0.0, latent_dim=5),
]


def test_family_differs_only_in_kl_weight_and_is_sorted_by_it() -> None:
    (family,) = kl_weight_families(SYSTEMS)
    assert [system.name for system in family] == ["weak", "standard", "strong"]


def test_each_autoencoder_is_paired_with_the_first_vae_that_is_the_same_otherwise() -> None:
    (pair,) = autoencoder_pairs(SYSTEMS)
    assert (pair.autoencoder.name, pair.vae.name) == ("plain", "standard")


@pytest.mark.parametrize("bound", [{"importance_samples": 5}, {"sticking_the_landing": True}], ids=str)
def test_autoencoder_is_paired_with_a_vae_that_was_trained_on_the_bound_of_sampled_codes(bound: dict) -> None:
    vae = _system("vae", reduction="sum", kl_weight=1, **bound)
    systems = [vae, _system("plain", reduction="sum", variational=False)]
    (pair,) = autoencoder_pairs(systems)
    assert (pair.autoencoder.name, pair.vae.name) == ("plain", "vae")


def test_each_system_is_a_named_point_at_its_rate_and_distortion() -> None:
    figure = rate_distortion(SYSTEMS, "Title")
    (axis,) = figure.axes
    drawn = np.concatenate([np.asarray(points.get_offsets()) for points in axis.collections])
    points = [(system.kl_nats, system.mse_minus1_to_1) for system in SYSTEMS]
    assert sorted(map(tuple, drawn.tolist())) == sorted(points)
    assert [text.get_text() for text in axis.texts] == [system.name for system in SYSTEMS]
    (line,) = axis.lines
    assert np.asarray(line.get_xydata()).tolist() == [[90, 0.01], [30, 0.02], [5, 0.1]]
    assert "nats per test image" in axis.get_xlabel()
    assert "[-1, 1]" in axis.get_ylabel()
    assert figure.get_suptitle() == "Title"


@pytest.mark.parametrize("crowd", [0, 6])
def test_names_overlap_neither_names_nor_points_and_stay_in_the_plot(crowd: int) -> None:
    near = [_system(f"one of a crowd {one}", 24 + one / 5, 0.09 + one / 900, kl_weight=one) for one in range(crowd)]
    near += [_system("near", 30.5, 0.0202, kl_weight=0.2), _system("nearer yet", 29.6, 0.0199, kl_weight=0.3)]
    near += [_system("at the end of the plot", 90.5, 0.0101, kl_weight=0.02)]
    (axis,) = rate_distortion(SYSTEMS + near, "Title").axes
    names = [text.get_window_extent() for text in axis.texts if text.get_text()]
    assert crowd == 0 or len(axis.texts) > len(names)  # lines to names that are not beside their points
    points = axis.transData.transform([(one.kl_nats, one.mse_minus1_to_1) for one in SYSTEMS + near])
    for number, name in enumerate(names):
        assert not any(name.overlaps(other) for other in names[number + 1 :])
        assert not any(name.contains(*point) for point in points)
        assert axis.bbox.x0 <= name.x0 < name.x1 <= axis.bbox.x1
        assert axis.bbox.y0 <= name.y0 < name.y1 <= axis.bbox.y1


@pytest.mark.parametrize("latent_dim", [1, 2, 3])
def test_comparison_shows_the_pictures_that_each_member_has(latent_dim: int) -> None:
    members = [Member("left", _pictures(latent_dim)), Member("right", _pictures(3))]
    figure = side_by_side(members, "Title")
    figure.draw_without_rendering()
    box, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    assert min(box.x0, box.y0, width - box.x1, height - box.y1) >= 0  # no text is cut off
    assert figure.get_suptitle() == "Title"
    left, right = figure.axes[:2]
    assert right.get_title() == "right"
    assert left.get_title() == ("left: no latent plane" if latent_dim == 1 else "left")
    assert len(figure.axes[2].images) == (latent_dim > 1)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [str(label) for label in range(10)]
    # Eight images across at most, of the five that there are; straight and spherical.
    shown = np.asarray(figure.axes[5].images[0].get_array())
    assert shown.shape == (2 * 17, 5 * 17)


def test_systems_of_binarised_images_have_their_own_legend_entry() -> None:
    bits = _system("bits", 25, 0.06, reconstruction="bernoulli", binarisation="dynamic")
    (axis,) = rate_distortion([*SYSTEMS, bits], "Title").axes
    (drawn,) = [points for points in axis.collections if points.get_label() == "VAE of binarised images"]
    assert np.asarray(drawn.get_offsets()).tolist() == [[25, 0.06]]
    others = [points for points in axis.collections if points is not drawn]
    assert sum(len(np.asarray(points.get_offsets())) for points in others) == len(SYSTEMS)
