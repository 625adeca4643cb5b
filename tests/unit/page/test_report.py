"""The page as a file: the same bytes each time, of a bounded size, with nothing of the world outside in it."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml
from torch import nn

from builders import TINY
from mnist_vae.common.params import Params, load_params
from mnist_vae.page.report import STATIC, changed_params, render_report, script_json
from page_runs import KINDS, page_run

ROOT = next(folder for folder in Path(__file__).parents if (folder / "params.yaml").exists())
DEFAULT = load_params(ROOT / "params.yaml")
VANILLA = yaml.safe_load((ROOT / "presets.yaml").read_text())["vanilla"]
# Attributes by which a page loads something.
LOADING = {"src", "href", "srcset", "data", "action", "poster", "formaction", "xlink:href"}


class _Page(HTMLParser):
    """A page's addresses, its elements that are open, its ids, and images without alternative text."""

    def __init__(self, text: str):
        super().__init__()
        self.addresses, self.ids, self.without_text, self.labels = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.addresses += [value or "" for name, value in attrs if name in LOADING]
        self.ids += [values["id"]] if "id" in values else []
        if tag == "img" and not values.get("alt"):
            self.without_text.append(values.get("src"))


@pytest.mark.parametrize("name", KINDS)
def test_page_is_the_same_each_time_and_loads_nothing(name: str) -> None:
    run = page_run(**KINDS[name])
    content = render_report(run)
    assert content == render_report(page_run(**KINDS[name]))
    text = content.decode()
    page = _Page(text)
    assert page.addresses
    assert all(address.startswith(("data:", "#")) for address in page.addresses)
    assert {address[1:] for address in page.addresses if address.startswith("#")} <= set(page.ids)
    assert page.without_text == []
    assert not re.search(r"https?:|url\(|@import|\bfetch\(|XMLHttpRequest|WebSocket|import\(", text)
    assert not re.search(r"localStorage|sessionStorage|indexedDB|document\.cookie", text)


def test_page_tells_what_was_run(capsys: pytest.CaptureFixture[str]) -> None:
    run = page_run()
    text = render_report(run).decode()
    for told in (run.trained.origin.fingerprint, run.trained.origin.data_md5, "0.05", "12.5", "−321.5"):
        assert told in text
    assert f"<td>{TINY['latent_dim']}</td>" in text
    assert capsys.readouterr().out == ""


def test_what_a_plain_autoencoder_lacks_is_said_with_its_reason() -> None:
    text = render_report(page_run(**KINDS["plain autoencoder"])).decode()
    assert "There is none: a plain autoencoder has no prior." in text
    assert "Sample from a fitted Gaussian" in text
    assert "Sample from the prior</h3>" not in text


def test_network_that_the_page_cannot_compute_leaves_the_page_without_an_explorer() -> None:
    run = page_run(network="mlp")
    layers = run.trained.autoencoder.decoder.layers
    assert isinstance(layers, nn.Sequential)
    layers[1] = nn.SiLU()
    text = render_report(run).decode()
    assert "There is no explorer: the page has no SiLU (layer layers.1)." in text
    assert 'class="system"' not in text


@pytest.mark.parametrize(("changes", "most"), [({}, 1.5e6), (VANILLA, 3e6)])
def test_page_of_the_default_and_the_deep_system_is_small(changes: dict, most: float) -> None:
    params = DEFAULT.model_dump(mode="json") | changes
    small = {"dataset": "digits", "validation_size": 98, "interpolation_steps": 12}
    assert len(render_report(page_run(**params | small))) < most


def test_texts_of_files_cannot_end_a_script_or_begin_an_element() -> None:
    nasty = "</script><script>alert(1)</script><!--"
    assert "<" not in script_json({"a": nasty})
    assert json.loads(script_json({"a": nasty})) == {"a": nasty}
    run = page_run(**KINDS["plain autoencoder"])
    text = render_report(run._replace(absences={"samples": nasty})).decode()
    assert nasty not in text


def test_parameters_that_differ_are_told_with_the_default() -> None:
    assert changed_params(DEFAULT.of_model(), DEFAULT.of_figures()) == []
    other = DEFAULT.model_copy(update={"kl_weight": 0.5, "interpolation_to": 3, "conv_channels": (8, 16)})
    assert set(map(str, changed_params(other.of_model(), other.of_figures()))) == {
        "('kl_weight', 0.5, 0.1)",
        "('conv_channels', [8, 16], [16, 32, 64])",
        "('interpolation_to', 3, 8)",
    }


def test_default_of_each_parameter_is_known() -> None:
    assert Params.model_validate(yaml.safe_load((STATIC.parent / "tutorial.yaml").read_text())) == DEFAULT
