from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from builders import epoch_row
from mnist_vae.data.history import StepRow
from mnist_vae.figures import charts, grids
from mnist_vae.figures.style import WIDTH, save_gif, save_png

IMAGES = np.random.default_rng(0).random((1, 5, 8, 8))
EPOCHS = [epoch_row(epoch) for epoch in (1, 2)]
STEPS = [StepRow(1, step, 1 / step) for step in range(1, 9)]
PAGE = 800  # pixels that a figure is wide on a page
LEGIBLE = 14  # pixels that text is high there, at least


@pytest.mark.parametrize("kind", ["images", "curves"])
def test_two_drawings_give_the_same_png_bytes(tmp_path: Path, kind: str) -> None:
    for name in ("one.png", "two.png"):
        drawn = (
            grids.samples(IMAGES, "Title")
            if kind == "images"
            else charts.training_curves(EPOCHS, STEPS, "nats", "Title")
        )
        save_png(drawn, tmp_path / name)
    content = (tmp_path / "one.png").read_bytes()
    assert content == (tmp_path / "two.png").read_bytes()
    for name in (b"Software", b"atplotlib", b"tEXt", b"iTXt", b"zTXt", b"tIME", b"eXIf"):
        assert name not in content


def test_png_has_more_pixels_where_there_are_more_images(tmp_path: Path) -> None:
    for rows, name in ((1, "low"), (3, "high")):
        save_png(grids.samples(IMAGES.repeat(rows, axis=0), "Title"), tmp_path / f"{name}.png")
    with Image.open(tmp_path / "low.png") as low, Image.open(tmp_path / "high.png") as high:
        assert high.width == low.width
        assert high.height - low.height >= 2 * 2 * 8


def test_gif_repeats_all_frames_at_the_asked_pace(tmp_path: Path) -> None:
    frames = grids.animation(IMAGES)
    save_gif(frames, 70, tmp_path / "animation.gif")
    with Image.open(tmp_path / "animation.gif") as gif:
        assert (gif.format, gif.size) == ("GIF", frames[0].size)
        assert gif.info["loop"] == 0
        assert getattr(gif, "n_frames", 1) == len(frames) == 8
        for number, frame in enumerate(frames):
            gif.seek(number)
            assert gif.info["duration"] == 70
            assert np.array_equal(np.asarray(gif.convert("L")), np.asarray(frame))


def test_two_savings_give_the_same_gif_bytes(tmp_path: Path) -> None:
    for name in ("one.gif", "two.gif"):
        save_gif(grids.animation(IMAGES), 40, tmp_path / name)
    assert (tmp_path / "one.gif").read_bytes() == (tmp_path / "two.gif").read_bytes()


def _figures() -> list[Figure]:
    points = np.random.default_rng(0).standard_normal((60, 2))
    return [
        grids.samples(IMAGES, "Title"),
        grids.classes(IMAGES.repeat(10, axis=0), IMAGES.repeat(10, axis=0), "Title"),
        grids.interpolation(IMAGES, IMAGES, "Title"),
        charts.training_curves(EPOCHS, STEPS, "nats", "Title"),
        charts.scatter(points, (np.arange(60) % 10).astype(np.uint8), ("first", "second"), "Title"),
        charts.latent_dimensions(np.abs(points[:, 0]), np.abs(points[:, 1]), "Title"),
    ]


def test_all_figures_have_one_width_and_one_size_of_title() -> None:
    figures = _figures()
    assert {figure.get_size_inches()[0] for figure in figures} == {WIDTH}
    titles = [text.get_fontsize() for figure in figures for text in figure.texts if text.get_text() == "Title"]
    assert len(titles) == len(figures)
    assert len(set(titles)) == 1


def test_all_text_is_legible_at_the_width_of_a_page() -> None:
    for figure in _figures():
        figure.draw_without_rendering()
        shown = [text for text in figure.findobj(Text) if text.get_text()]
        assert len(shown) > 0
        assert min(float(text.get_fontsize()) for text in shown) * PAGE / (WIDTH * 72) >= LEGIBLE


def test_background_is_white_and_opaque_so_that_a_dark_page_shows_it_too(tmp_path: Path) -> None:
    save_png(grids.samples(IMAGES, "Title"), tmp_path / "figure.png")
    with Image.open(tmp_path / "figure.png") as image:
        pixels = np.asarray(image.convert("RGBA"))
    assert (pixels[..., 3] == 255).all()
    assert (pixels[0, 0] == 255).all()
    assert image.width == 2 * PAGE
