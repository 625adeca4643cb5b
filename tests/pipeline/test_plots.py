"""tools/plots.py: DVC's charts and pictures in a page that needs no network."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver import Chrome

from browser import chromium, requested_addresses, script_errors
from working_copy import WorkingCopy

# The lines, points or bars of each chart for each revision.
SERIES = {
    "Loss of each epoch": 2,
    "Reconstruction error of each epoch": 2,
    "KL of each epoch": 2,
    "Reconstruction error and KL of the validation images, a point for each epoch": 2,  # epochs in the tests
    "Reconstruction error of each class": 10,
    "Training loss of each step": 1,
}
# What a reader sees of each chart: its title, the titles of its axes, and its marks that have an extent.
_CHARTS = """
const shown = mark => { const box = mark.getBoundingClientRect(); return box.width > 3; };
return [...document.querySelectorAll("svg.marks")].map(svg => ({
  title: svg.querySelector(".role-title-text").textContent,
  axes: [...svg.querySelectorAll(".role-axis-title")].map(title => title.textContent),
  marks: [...svg.querySelectorAll(":is(.mark-line, .mark-symbol, .mark-rect).role-mark path")].filter(shown).length,
}));
"""
_PICTURES = """
return [...document.images].map(image => { const box = image.getBoundingClientRect(); return {
  loaded: image.naturalWidth > 0, inside: box.left >= 0 && box.right <= innerWidth, top: box.top
}; });
"""
_WAIT_FOR_CHARTS = """
const [count, done] = arguments;
const look = () => document.querySelectorAll("svg.marks").length >= count ? done() : setTimeout(look, 50);
look();
"""


def _charts(window: Chrome) -> list[dict]:
    window.execute_async_script(_WAIT_FOR_CHARTS, len(SERIES))
    return window.execute_script(_CHARTS)


def _page(printed: str, copy: WorkingCopy) -> Path:
    page = copy.folder / "dvc_plots" / "index.html"
    assert printed == f"plots: {page}\n"
    return page


@pytest.fixture(scope="module")
def compared(with_experiment: WorkingCopy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the last commit beside the experiment."""
    copy = with_experiment.copied_to(tmp_path_factory.mktemp("compared") / "clone")
    return _page(copy.succeed("python", "tools/plots.py", "HEAD", "half"), copy)


@pytest.fixture(scope="module")
def window(compared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """A browser without a network that shows it."""
    with chromium(tmp_path_factory.mktemp("browser"), network=False) as window:
        window.get(compared.as_uri())
        yield window


def test_every_chart_is_drawn_for_each_experiment_without_a_network(window: Chrome) -> None:
    charts = _charts(window)
    assert {chart["title"]: chart["marks"] for chart in charts} == {name: 2 * each for name, each in SERIES.items()}
    assert len(charts) == len(SERIES)
    legends = "".join(element.text for element in window.find_elements("css selector", ".role-legend"))
    assert legends.count("HEAD") == legends.count("half") == len(SERIES)


def test_axes_of_every_chart_say_what_they_measure(window: Chrome) -> None:
    assert [chart["axes"] for chart in _charts(window)] == [
        ["epoch", "loss"],
        ["epoch", "reconstruction error per image"],
        ["epoch", "KL, nats per image"],
        ["KL, nats per image", "reconstruction error per image"],
        ["step", "training loss"],
        ["MSE per pixel, images in [-1, 1]", "class"],
    ]


def test_pictures_of_the_experiments_lie_side_by_side(window: Chrome, reproduced: WorkingCopy) -> None:
    pictures = window.execute_script(_PICTURES)
    figures = list((reproduced.folder / "reports" / "figures").iterdir())
    assert len(pictures) == 2 * len(figures) > 0
    assert all(picture["loaded"] and picture["inside"] for picture in pictures)
    tops = [picture["top"] for picture in pictures]
    assert tops[0::2] == tops[1::2]


def test_page_asks_for_files_only(window: Chrome) -> None:
    window.refresh()
    _charts(window)
    assert script_errors(window) == []
    asked = requested_addresses(window)
    assert any(address.endswith("index.html") for address in asked)
    assert [address for address in asked if not address.startswith(("file:", "data:", "blob:"))] == []


def test_page_names_nothing_to_load_from_elsewhere(compared: Path) -> None:
    text = compared.read_text()
    assert "vegaEmbed" in text
    assert re.findall(r"""(?:src|href)\s*=\s*["']?(?:https?:)?//[^"'>]*""", text, flags=re.IGNORECASE) == []


def test_workspace_is_drawn_where_no_revision_is_named(reproduced: WorkingCopy, tmp_path: Path) -> None:
    copy = reproduced.copied_to(tmp_path / "clone")
    page = _page(copy.succeed("python", "tools/plots.py"), copy)
    assert copy.succeed("git", "status", "--porcelain") == ""
    with chromium(tmp_path, network=False) as window:
        window.get(page.as_uri())
        assert {chart["title"]: chart["marks"] for chart in _charts(window)} == SERIES


@pytest.mark.parametrize("revisions", [["nosuch"], ["HEAD", "nosuch"], ["--", "--help"]])
def test_unknown_revision_ends_in_one_line(reproduced: WorkingCopy, revisions: list[str]) -> None:
    ended = reproduced.run("python", "tools/plots.py", *revisions)
    line = f"plots: nothing is drawn: unknown Git revision '{revisions[-1]}'\n"
    assert (ended.returncode, ended.stdout) == (1, line)


def test_workspace_without_results_ends_in_one_line(reproduced: WorkingCopy, tmp_path: Path) -> None:
    copy = reproduced.copied_to(tmp_path / "clone")
    (copy.folder / "dvc.yaml").write_text("stages: [")
    ended = copy.run("python", "tools/plots.py")
    assert ended.returncode == 1
    (line,) = ended.stdout.splitlines()
    assert line.startswith("plots: nothing is drawn: ")
