"""The one style of all figures, and files of them whose bytes depend on nothing but the figure."""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import matplotlib as mpl
import seaborn as sns
from matplotlib.figure import Figure
from PIL import Image

from mnist_vae.common.atomic import write_whole


@contextmanager
def figure_style() -> Iterator[None]:
    """Within the block figures are drawn in the project's style; matplotlib's settings are as before after it."""
    with mpl.rc_context():
        sns.set_theme(context="notebook", style="whitegrid", palette="deep", color_codes=False)
        mpl.rcParams.update({"figure.titlesize": "large", "figure.dpi": 110})
        yield


def save_png(figure: Figure, path: Path) -> None:
    """Write the figure, without matplotlib's version and the time in the file."""
    content = io.BytesIO()
    figure.savefig(content, format="png", metadata={"Software": None})
    write_whole(content.getvalue(), path)


def save_gif(frames: Sequence[Image.Image], milliseconds: int, path: Path) -> None:
    """Write an animation that repeats for ever, each frame shown for that long."""
    content = io.BytesIO()
    frames[0].save(content, "gif", save_all=True, append_images=frames[1:], duration=milliseconds, loop=0)
    write_whole(content.getvalue(), path)
