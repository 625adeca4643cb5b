"""The one style of all figures."""

from collections.abc import Iterator
from contextlib import contextmanager

import matplotlib as mpl
import seaborn as sns


@contextmanager
def figure_style() -> Iterator[None]:
    """Within the block figures are drawn in the project's style; matplotlib's settings are as before after it."""
    with mpl.rc_context():
        sns.set_theme(context="notebook", style="whitegrid", palette="deep", color_codes=False)
        mpl.rcParams.update({"figure.titlesize": "large", "figure.dpi": 110})
        yield
