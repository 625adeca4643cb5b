"""What MLflow's pages show of the runs, in a real browser."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from selenium.webdriver import Chrome

from browser import chromium, wait_until
from interpreters import Interpreters
from mlflow_servers import MlflowServer, free_port, wait_for_answer
from working_copy import WorkingCopy


class Pages:
    """MLflow's pages of the project's experiment, in a browser; `table` is what `make ui` prints."""

    def __init__(self, window: Chrome, table: str):
        self._window, self.table = window, table

    def open(self, path: str) -> None:
        """Open the page of a run."""
        self.go(self.table.partition("?")[0] + path)

    def go(self, address: str) -> None:
        self._window.get("about:blank")  # else only the part after # would change
        self._window.get(address)

    def wait_for(self, script: str, *arguments: object) -> object:
        """What a script returns as soon as that is true."""
        return wait_until(self._window, lambda window: window.execute_script(script, *arguments))

    def search(self, text: str) -> None:
        field = wait_until(
            self._window,
            lambda window: window.find_element("css selector", "input[placeholder='Search metric charts']"),
        )
        field.send_keys(text)


@pytest.fixture(scope="module")
def copy(with_experiment: WorkingCopy, tmp_path_factory: pytest.TempPathFactory) -> WorkingCopy:
    copy = with_experiment.copied_to(tmp_path_factory.mktemp("shown") / "clone")
    copy.succeed("python", "tools/sync.py")  # after which the artifacts are looked for in the new place
    return copy


@pytest.fixture(scope="module")
def pages(copy: WorkingCopy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pages]:
    # An older MLflow's store, which `mlflow ui` alone would take for the project's, and refuse.
    (copy.folder / "mlruns" / "0").mkdir(parents=True)
    (copy.folder / "mlruns" / "0" / "meta.yaml").write_text("experiment_id: '0'\nname: Default\n")
    with chromium(tmp_path_factory.mktemp("browser"), network=True) as window:
        ui = copy.start("python", "tools/ui.py", "--port", str(free_port()))
        try:
            assert ui.stdout is not None
            table = ui.stdout.readline().removeprefix("Runs: ").strip()
            wait_for_answer(ui, table.partition("#")[0] + "health")
            window.set_window_size(1700, 1200)
            yield Pages(window, table)
        finally:
            os.killpg(ui.pid, signal.SIGKILL)
            ui.communicate(timeout=60)


def _runs(copy: WorkingCopy) -> list[Run]:
    runs = list(MlflowClient(f"sqlite:///{copy.folder}/mlflow.db").search_runs(["1"]))
    assert len(runs) == 2
    return runs


def test_table_of_the_runs_has_the_columns_that_matter(copy: WorkingCopy, pages: Pages) -> None:
    pages.go(pages.table)
    for run in _runs(copy):
        pages.wait_for("return document.body.innerText.includes(arguments[0])", run.info.run_name)
    columns = ["test/mse_minus1_to_1", "test/kl_nats", "test/elbo_nats", "kl_weight", "network", "latent_dim", "seed"]
    shown = """const cells = [...document.querySelectorAll('.ag-header-cell-text, [role=columnheader]')];
    const texts = cells.map(cell => cell.innerText);
    return arguments[0].every(name => texts.includes(name))"""
    pages.wait_for(shown, columns)


def test_address_at_a_tracking_server_is_printed_without_its_password(
    copy: WorkingCopy, tmp_path: Path, interpreters: Interpreters
) -> None:
    server = MlflowServer(tmp_path / "server", f"sqlite:///{tmp_path}/server.db", interpreters)
    server.start()
    try:
        client = MlflowClient(server.address)
        client.create_experiment("somebody's")
        own = client.create_experiment("mnist-vae")
        address = server.address.replace("//", "//me:hunter7@")
        printed = copy.succeed("python", "tools/ui.py", MLFLOW_TRACKING_URI=address)
    finally:
        server.kill()
    assert printed.startswith(f"Runs: {server.address}/#/experiments/{own}/runs?")
    assert printed.count("\n") == 1


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
            """return [...document.images].some(image => image.naturalWidth > 300 && !image.src.startsWith("data:"))
            || [...document.querySelectorAll(".js-plotly-plot image")].length > 0"""
        )
