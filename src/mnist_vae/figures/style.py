"""The style that all figures share, and writing of image files whose bytes depend only on the figure."""

import io
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure
from PIL import Image

from mnist_vae.common.atomic import write_atomically
from mnist_vae.figures.light_seaborn import sns

# All figures have one width in inches, so that text of one size has one size on a page. A page shows a figure about
# 800 pixels wide: a point of type is then 1.4 pixels, and the file has two pixels for each pixel of the page.
WIDTH = 8.0
TEXT_CHARACTER = 0.095  # inches of a label's character, an upper bound of the average
_TITLE_CHARACTERS = 66  # characters of a title that fit into the width
_TITLE_LINE = 0.24  # inches


@contextmanager
def figure_style() -> Iterator[None]:
    """Give figures that are drawn in the block the project's style. Matplotlib's settings are restored afterwards."""
    with mpl.rc_context():
        sns.set_theme(context="notebook", style="whitegrid", palette="deep", color_codes=False)
        mpl.rcParams.update(
            {
                "figure.dpi": 200,
                "figure.titlesize": 14,
                "figure.constrained_layout.h_pad": 0.07,
                "axes.titlesize": 12,
                "axes.labelsize": 12,
                "xtick.labelsize": 11,
                "ytick.labelsize": 11,
                "legend.fontsize": 10.5,
                "legend.title_fontsize": 10.5,
                # White behind everything, because a page may be dark.
                "figure.facecolor": "white",
            }
        )
        yield


def titled_figure(title: str, height: float) -> Figure:
    """An empty figure of the common width and the given height in inches. Call it within figure_style.

    A long title is wrapped. Each further line makes the figure higher.
    """
    lines = textwrap.wrap(title, _TITLE_CHARACTERS) or [""]
    figure = Figure(figsize=(WIDTH, height + _TITLE_LINE * (len(lines) - 1)), layout="constrained")
    figure.suptitle("\n".join(lines))
    return figure


def save_png(figure: Figure, path: Path) -> None:
    """Write the figure to a PNG file without matplotlib's version and the time in its metadata."""
    content = io.BytesIO()
    figure.savefig(content, format="png", metadata={"Software": None})
    write_atomically(content.getvalue(), path)


def save_gif(frames: Sequence[Image.Image], milliseconds: int, path: Path) -> None:
    """Write an animation that loops. Each frame is shown for the given time."""
    content = io.BytesIO()
    frames[0].save(content, "gif", save_all=True, append_images=frames[1:], duration=milliseconds, loop=0)
    write_atomically(content.getvalue(), path)
