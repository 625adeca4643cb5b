"""What MLflow's pages show of the runs, in a real browser."""

import os
import re
import signal
from collections.abc import Iterator

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from selenium.webdriver import Chrome
from selenium.webdriver.support.ui import WebDriverWait

from browser import chromium
from mlflow_servers import free_port, wait_for_answer
from working_copy import WorkingCopy

_SECONDS = 60


class Pages:
    """MLflow's pages of the project's experiment, in a browser."""

    def __init__(self, window: Chrome, address: str):
        self._window, self._address = window, address

    def open(self, path: str) -> None:
        self._window.get("about:blank")  # else only the part after # would change
        self._window.get(f"{self._address}/#/experiments/1/runs{path}")

    def wait_for(self, script: str, *arguments: object) -> object:
        """What a script returns as soon as that is true."""
        return WebDriverWait(self._window, _SECONDS).until(lambda window: window.execute_script(script, *arguments))

    def search(self, text: str) -> None:
        field = WebDriverWait(self._window, _SECONDS).until(
            lambda window: window.find_element("css selector", "input[placeholder='Search metric charts']")
        )
        field.send_keys(text)


@pytest.fixture(scope="module")
def copy(with_experiment: WorkingCopy, tmp_path_factory: pytest.TempPathFactory) -> WorkingCopy:
    copy = with_experiment.copied_to(tmp_path_factory.mktemp("shown") / "clone")
    copy.succeed("python", "tools/sync.py")  # after which the artifacts are looked for in the new place
    return copy


@pytest.fixture(scope="module")
def pages(copy: WorkingCopy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pages]:
    port = free_port()
    place = ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    with chromium(tmp_path_factory.mktemp("browser"), network=True) as window:
        ui = copy.start("mlflow", "ui", *place, MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false")
        try:
            wait_for_answer(ui, f"http://127.0.0.1:{port}/health")
            window.set_window_size(1700, 1200)
            yield Pages(window, f"http://127.0.0.1:{port}")
        finally:
            os.killpg(ui.pid, signal.SIGKILL)
            ui.communicate(timeout=60)


def _runs(copy: WorkingCopy) -> list[Run]:
    runs = list(MlflowClient(f"sqlite:///{copy.folder}/mlflow.db").search_runs(["1"]))
    assert len(runs) == 2
    return runs


def test_table_of_the_runs_has_the_columns_that_matter(copy: WorkingCopy, pages: Pages) -> None:
    printed = copy.run("make", "--just-print", "ui").stdout
    (view,) = re.findall(r"/runs(\?\S+overview)", printed)
    pages.open(view)
    for run in _runs(copy):
        pages.wait_for("return document.body.innerText.includes(arguments[0])", run.info.run_name)
    columns = ["test/mse_minus1_to_1", "test/kl_nats", "test/elbo_nats", "kl_weight", "network", "latent_dim", "seed"]
    shown = """const cells = [...document.querySelectorAll('.ag-header-cell-text, [role=columnheader]')];
    const texts = cells.map(cell => cell.innerText);
    return arguments[0].every(name => texts.includes(name))"""
    pages.wait_for(shown, columns)


def test_page_of_each_run_has_its_numbers_and_pictures(copy: WorkingCopy, pages: Pages) -> None:
    for run in _runs(copy):
        pages.open(f"/{run.info.run_id}?workflowType=machine_learning")
        numbers = f"MSE {run.data.metrics['test/mse_minus1_to_1']:.4g} per pixel on [-1, 1] · KL "
        pages.wait_for("return document.body.innerText.includes(arguments[0])", numbers)
        loaded = pages.wait_for(
            """const pictures = [...document.images].filter(image => image.src.includes(arguments[0]));
            return pictures.length && pictures.every(image => image.naturalWidth > 0) && pictures.length""",
            f"get-artifact?run_uuid={run.info.run_id}",
        )
        assert loaded == 4


def test_curves_of_each_run_have_a_point_for_each_epoch(copy: WorkingCopy, pages: Pages) -> None:
    for run in _runs(copy):
        pages.open(f"/{run.info.run_id}/model-metrics")
        pages.search("validation/loss")
        points = pages.wait_for(
            """const charts = [...document.querySelectorAll(".js-plotly-plot")];
            const points = charts.flatMap(chart => [...chart.querySelectorAll(".scatterlayer .points path")]);
            return charts.length == 1 && points.length"""
        )
        assert points == copy.params()["epochs"]


def test_figures_of_each_run_open_as_images(copy: WorkingCopy, pages: Pages) -> None:
    for run in _runs(copy):
        pages.open(f"/{run.info.run_id}/artifacts/figures/samples.png")
        pages.wait_for("return document.body.innerText.includes('figures/samples.png')")
        pages.wait_for(
            """return [...document.images].some(image => image.naturalWidth > 500 && !image.src.startsWith("data:"))
            || [...document.querySelectorAll(".js-plotly-plot image")].length > 0"""
        )
