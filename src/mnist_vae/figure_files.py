"""Figures to files whose bytes depend on nothing but the figure."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image


def save_png(figure: Figure, path: Path) -> None:
    """Write the figure, without matplotlib's version and the time in the file."""
    figure.savefig(path, metadata={"Software": None})


def save_gif(frames: Sequence[Image.Image], milliseconds: int, path: Path) -> None:
    """Write an animation that repeats for ever, each frame shown for that long."""
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=milliseconds, loop=0)
