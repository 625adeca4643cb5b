"""The page that compares systems: their numbers, rate and distortion, and two explorers steered together."""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from markupsafe import Markup

from mnist_vae.figures.comparison import MARKERS, System, autoencoder_pairs, kind_of, kl_weight_families
from mnist_vae.page.points import Point, point_chart
from mnist_vae.page.report import SCRIPTS, render

# Nothing in the JSON ends the element: report.script_json sees to it.
_SYSTEM = re.compile(r'<script type="application/json" class="system">(.*?)</script>', re.DOTALL)


class Compared(NamedTuple):
    """A system with all that metrics.json has of it, and its page as the render stage wrote it; None if it has none."""

    system: System
    metrics: Mapping[str, float]
    page: str | None


def render_comparison(compared: Sequence[Compared], data: str) -> bytes:
    """The page as HTML in UTF-8, of systems in the order given; `data` is the data set's title.

    The explorers run what the systems' own pages hold.
    """
    systems = [one.system for one in compared]
    explorers = {one.system.name: text for one in compared if (text := _explorer(one.page)) is not None}
    pairs = [[pair.autoencoder.name, pair.vae.name] for pair in autoencoder_pairs(systems)]
    shown = next((pair for pair in pairs if set(pair) <= explorers.keys()), [*explorers][:2])
    return render(
        "comparison.html",
        title=f"{len(compared)} systems on {data}",
        data=data,
        compared=compared,
        explorers=explorers,
        shown=shown,
        missing=[one.system.name for one in compared if one.system.name not in explorers],
        families=bool(kl_weight_families(systems)),
        bits=any(system.params.binarisation != "none" for system in systems),
        vaes_of_bits="VAE of binarised images" in map(kind_of, [system.params for system in systems]),
        plot=_rate_distortion(systems),
        scripts=[*SCRIPTS, "comparison.js"],
    )


def _explorer(page: str | None) -> Markup | None:
    found = None if page is None else _SYSTEM.search(page)
    return None if found is None else Markup(found[1])  # noqa: S704 (a script element's content, as the page has it)


def _rate_distortion(systems: Sequence[System]) -> Markup:
    points = [  # the key in comparison.html has the series in the order of MARKERS
        Point(system.name, system.kl_nats, system.mse_minus1_to_1, 1 + [*MARKERS].index(kind_of(system.params)))
        for system in systems
    ]
    families = [
        [(system.kl_nats, system.mse_minus1_to_1) for system in family] for family in kl_weight_families(systems)
    ]
    return point_chart(points, families, "rate: KL, nats per image", "distortion: MSE per pixel, images in [−1, 1]")
