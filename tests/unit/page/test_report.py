"""The page as a file: the same bytes each time, of a bounded size, with nothing of the world outside in it."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml
from torch import nn

from builders import TINY
from mnist_vae.common.params import FigureParams, ModelParams, Params, load_params
from mnist_vae.figures.gallery import Subject, draw_gallery
from mnist_vae.page.report import STATIC, changed_params, render_report, script_json
from page_runs import KINDS, page_run
from places import REPOSITORY

DEFAULT = load_params(REPOSITORY / "params.yaml")
VANILLA = yaml.safe_load((REPOSITORY / "presets.yaml").read_text())["vanilla"]
# Attributes by which a page loads something.
LOADING = {"src", "href", "srcset", "data", "action", "poster", "formaction", "xlink:href"}


SCRIPT = re.compile(r"<script.*?</script>", re.DOTALL)
SYSTEM = re.compile(r'<script type="application/json" class="system">(.*?)</script>', re.DOTALL)


class _Page(HTMLParser):
    """A page's addresses, its ids, images without alternative text, and all elements with their attributes."""

    def __init__(self, text: str):
        super().__init__()
        self.addresses, self.ids, self.without_text, self.tags = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.tags.append((tag, [name for name, _ in attrs]))
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


def test_chart_of_the_loss_says_what_the_loss_is() -> None:
    bound = {"network": "mlp", "reduction": "sum", "kl_weight": 1, "sticking_the_landing": True}
    for changes, meaning in (({}, "reconstruction error and weighted KL"), (bound, "a bound on −log p(x)")):
        page = render_report(page_run(**changes)).decode()
        assert f"What training makes smaller: {meaning}" in page


def test_page_gives_the_reason_for_what_a_plain_autoencoder_lacks() -> None:
    text = render_report(page_run(**KINDS["plain autoencoder"])).decode()
    assert "There is none: a plain autoencoder has no prior." in text
    assert "Sample from a fitted Gaussian" in text
    assert "Sample from the prior</h3>" not in text


def test_network_that_the_page_cannot_compute_leaves_the_page_without_an_explorer() -> None:
    run = page_run(network="mlp")
    layers = run.trained.autoencoder.decoder.layers
    assert isinstance(layers, nn.Sequential)
    layers[1] = nn.GELU()
    text = render_report(run).decode()
    assert "There is no explorer: the page has no GELU (layer layers.1)." in text
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


@pytest.mark.parametrize(
    ("changes", "different"), [({"dataset": "digits"}, {"dataset"}), ({"validation_size": 98}, {"validation_size"})]
)
def test_share_of_validation_images_is_the_default_whatever_the_data_set(changes: dict, different: set[str]) -> None:
    params = Params.model_validate(DEFAULT.model_dump(mode="json") | changes)
    assert {name for name, _, _ in changed_params(params.of_model(), params.of_figures())} == different


def test_added_parameter_is_shown_as_new(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tutorial = (STATIC.parent / "tutorial.yaml").read_text()
    (tmp_path / "tutorial.yaml").write_text(tutorial.replace("learning_rate: 0.0001\n", ""))
    monkeypatch.setattr("mnist_vae.page.report.STATIC", tmp_path / "static")
    changes = changed_params(DEFAULT.of_model(), DEFAULT.of_figures())
    assert changes == [("learning_rate", 0.0001, "none, it is new")]


def test_default_of_each_parameter_is_known() -> None:
    known = yaml.safe_load((STATIC.parent / "tutorial.yaml").read_text())
    names = ModelParams.model_fields.keys() | FigureParams.model_fields.keys()
    assert known == {name: value for name, value in DEFAULT.model_dump(mode="json").items() if name in names}


PETS = ("cat", "dog", "owl")
CUSTOM = {"dataset": "custom", "custom_data": "mine", "interpolation_from": 0, "interpolation_to": 1}
# Names that would end an element, an attribute or a script, or begin one.
ODD = ("</script><b>x</b>", 'a"b', "it's", "&amp;", "<!--", "{{ 7 * 7 }}", "\u202eright to left", "Ä日本語", "x" * 200)


def test_classes_are_called_by_their_names() -> None:
    text = render_report(page_run(PETS, **CUSTOM)).decode()
    assert "Variational autoencoder (conv) on custom images" in text
    assert "70 training, 20 validation, 130 test images" in text
    assert "From cat to dog" in text
    assert "Rows: cat, dog, owl." in text
    assert json.loads(SYSTEM.findall(text)[0])["classes"] == [*PETS]
    assert "Draw a picture and see" in text


def test_without_classes_what_needs_them_is_left_out_with_a_line() -> None:
    text = render_report(page_run((), **CUSTOM)).decode()
    assert text.count("There is none: the images have no classes.") == 4  # means, images, interpolation, errors
    assert "the points of the map have one colour" in text
    assert "A row for each class" not in text
    assert render_report(page_run((), **CUSTOM)).decode() == text


@pytest.mark.parametrize(
    ("names", "changes"), [((), {}), (tuple("0123456789"), {"variational": False, "kl_weight": 0})]
)
def test_page_gives_the_same_reasons_as_the_gallery(names: tuple[str, ...], changes: dict) -> None:
    run = page_run(names, **CUSTOM | changes)
    subject = Subject("Tiny", "summed squared error", run.figure_params, names)
    drawn = draw_gallery(run.pictures, run.course, subject)
    assert {name: absence for name, _, absence in drawn if absence} == run.absences


def test_hundreds_of_classes_fit() -> None:
    names = tuple(f"class {number}" for number in range(300))
    text = render_report(page_run(names, **CUSTOM)).decode()
    assert "300: class 0, class 1," in text
    assert "the first 100 of 300: class 0, class 1," in text
    assert "Rows, the first 10 of 300: class 0," in text
    assert "The 20 hardest of 300 are shown." in text
    assert "<title>class 299: 3</title>" in text
    assert "<title>class 279:" not in text
    assert len(text) < 1.5e6


def test_names_of_classes_are_text_whatever_is_in_them() -> None:
    text = render_report(page_run(ODD, **CUSTOM)).decode()
    assert json.loads(SYSTEM.findall(text)[0])["classes"] == [*ODD]
    for odd in ("<b>x", "<!--", 'a"b', "&amp;,"):
        assert odd not in SCRIPT.sub("", text)
    assert "{{ 7 * 7 }}" in text
    tags = _Page(SCRIPT.sub("", text)).tags
    plain = _Page(SCRIPT.sub("", render_report(page_run(tuple("abcdefghi"), **CUSTOM)).decode())).tags
    assert tags == plain
