"""The page that compares systems holds what their own pages hold."""

import json
import re

from builders import tiny_params
from mnist_vae.figures.comparison import System
from mnist_vae.page.comparison import Compared, render_comparison
from mnist_vae.page.report import render_report
from page_runs import KINDS, page_run

METRICS = {"kl_nats": 3.0, "mse_minus1_to_1": 0.25, "elbo_nats": -20.0, "active_dimensions": 2, "parameter_count": 99}
SYSTEM = re.compile(r'<script type="application/json" class="system"[^>]*>(.*?)</script>', re.DOTALL)


def _compared(name: str, page: str | None, kl: float = 3.0, **changes: object) -> Compared:
    metrics = METRICS | {"kl_nats": kl}
    return Compared(System(name, tiny_params(**changes), kl, 0.25), metrics, page)


def _systems(text: str) -> dict[str, dict]:
    names = re.findall(r'class="system" data-name="([^"]*)"', text)
    return dict(zip(names, map(json.loads, SYSTEM.findall(text)), strict=True))


def test_systems_are_those_of_the_pages_and_a_pair_is_shown_first() -> None:
    pages = {name: render_report(page_run(**KINDS[name])).decode() for name in ("mlp", "conv", "plain autoencoder")}
    compared = [
        _compared("a", pages["mlp"], network="mlp"),
        _compared("b", pages["conv"]),
        _compared("c", pages["plain autoencoder"], 0.0, variational=False, kl_weight=0),
    ]
    content = render_comparison(compared, "MNIST")
    assert content == render_comparison(compared, "MNIST")
    text = content.decode()
    assert _systems(text) == {
        name: json.loads(SYSTEM.findall(page)[0]) for name, page in zip("abc", pages.values(), strict=True)
    }
    assert re.findall(r"<option selected>(\w)</option>", text) == ["c", "b"]
    assert not re.search(r"https?:", text)


def test_systems_of_binarised_images_have_a_form_of_their_own_and_their_likelihood() -> None:
    grey = _compared("grey", None)
    bits = _compared("bits", None, binarisation="dynamic", reconstruction="bernoulli")
    bits = bits._replace(metrics=METRICS | {"nll_nats": 86.5})
    text = render_comparison([grey, bits], "MNIST").decode()
    assert [text.count(form) for form in ("<circle", "<rect", "<polygon", 'class="diamond"')] == [1, 0, 1, 1]
    assert "<td>VAE of bits</td>" in text
    assert '<td class="number">86.50</td>' in text
    plain = _compared(
        "plain", None, 0.0, binarisation="dynamic", reconstruction="bernoulli", variational=False, kl_weight=0
    )
    text = render_comparison([plain], "MNIST").decode()
    assert [text.count(form) for form in ("<polygon", 'class="diamond"', "plain, of bits")] == [0, 0, 1]
    alone = render_comparison([grey], "MNIST").decode()
    assert [alone.count(part) for part in ("<polygon", 'class="diamond"', "binarised")] == [0, 0, 0]


def test_systems_without_a_page_are_named() -> None:
    text = render_comparison([_compared("<old>", None), _compared("other", "<html></html>")], "MNIST").decode()
    assert "no page of their runs: &lt;old&gt;, other." in text
    assert "<old>" not in text
    assert _systems(text) == {}
    assert "data-controls" not in re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)
