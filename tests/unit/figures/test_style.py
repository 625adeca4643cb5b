from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from builders import epoch_row
from mnist_vae.data.history import StepRow
from mnist_vae.figures import charts, grids
from mnist_vae.figures.style import save_gif, save_png

IMAGES = np.random.default_rng(0).random((1, 5, 8, 8))
EPOCHS = [epoch_row(epoch) for epoch in (1, 2)]
STEPS = [StepRow(1, step, 1 / step) for step in range(1, 9)]


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
