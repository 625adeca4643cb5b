"""Experiments by DVC's queue, two at a time, first thing in a fresh clone; and what MLflow's pages show of them."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from selenium.webdriver import Chrome
from selenium.webdriver.support.ui import WebDriverWait

from browser import chromium
from mlflow_servers import free_port, wait_for_answer
from tiny_mnist import TinyServer
from working_copy import WorkingCopy

WEIGHTS = ["0.01", "0.1", "1"]
_SECONDS = 240


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory, tiny_server: TinyServer) -> WorkingCopy:
    """A fresh clone after a queued sweep, in which the code was broken as soon as the experiments were queued."""
    copy = WorkingCopy(tmp_path_factory.mktemp("swept") / "clone", f"{tiny_server.address}/whole")
    copy.succeed("dvc", "exp", "run", "--queue", "-S", f"kl_weight={','.join(WEIGHTS)}")
    code = copy.folder / "src" / "mnist_vae" / "__init__.py"
    original = code.read_text()
    code.write_text("raise RuntimeError('this is the code of the workspace, not that of the experiment')\n")
    copy.succeed("dvc", "queue", "start", "--jobs", "2")
    for _ in range(_SECONDS):
        if not {"Queued", "Running"} & set(_states(copy)):
            break
        time.sleep(1)
    code.write_text(original)
    assert _states(copy) == ["Success"] * 3, copy.succeed("dvc", "queue", "status")
    return copy


def _states(copy: WorkingCopy) -> list[str]:
    return [line.split()[-1] for line in copy.succeed("dvc", "queue", "status").splitlines()[1:4]]


def runs_of(copy: WorkingCopy) -> list[Run]:
    return MlflowClient(f"sqlite:///{copy.folder}/mlflow.db").search_runs(["1"])


def test_every_experiment_has_its_finished_run_in_the_one_store(swept: WorkingCopy) -> None:
    runs = runs_of(swept)
    assert [run.info.status for run in runs] == ["FINISHED"] * 3
    assert sorted(run.data.params["kl_weight"] for run in runs) == sorted(str(float(one)) for one in WEIGHTS)
    names = {run.data.tags["dvc_experiment"] for run in runs}
    assert names == set(swept.succeed("dvc", "exp", "list", "--name-only").split())
    head = swept.succeed("git", "rev-parse", "HEAD").strip()
    assert {run.data.tags["dvc_baseline"] for run in runs} == {head}


def test_artifacts_of_queued_experiments_open_and_are_those_of_the_experiment(swept: WorkingCopy) -> None:
    client = MlflowClient(f"sqlite:///{swept.folder}/mlflow.db")
    for run in runs_of(swept):
        name = run.data.tags["dvc_experiment"]
        for path in ("metrics.json", "history/epochs.csv", "figures/samples.png"):
            command = ["git", "show", f"{_commit(swept, name)}:reports/{path}"]
            expected = subprocess.run(command, cwd=swept.folder, capture_output=True, check=True).stdout
            assert Path(client.download_artifacts(run.info.run_id, path)).read_bytes() == expected


def test_line_in_the_run_brings_the_experiment_back(swept: WorkingCopy, tmp_path: Path) -> None:
    copy = swept.copied_to(tmp_path / "clone")
    copy.introduce()
    for run in runs_of(swept):
        copy.succeed("git", "restore", "params.yaml")
        copy.succeed(*run.data.tags["dvc_apply"].split())
        assert copy.params()["kl_weight"] == float(run.data.params["kl_weight"])
        lock = (copy.folder / "dvc.lock").read_text()
        assert f"md5: {run.data.tags['model_md5']}" in lock
        assert f"md5: {run.data.tags['data_md5']}" in lock


def _commit(copy: WorkingCopy, experiment: str) -> str:
    refs = copy.succeed("git", "for-each-ref", "--format=%(objectname) %(refname)", "refs/exps").splitlines()
    (commit,) = [ref.split()[0] for ref in refs if ref.endswith(f"/{experiment}")]
    return commit


class Pages:
    """MLflow's pages of the sweep, in a browser."""

    def __init__(self, window: Chrome, address: str):
        self._window, self._address = window, address

    def open(self, path: str) -> None:
        self._window.get("about:blank")  # else only the part after # would change
        self._window.get(f"{self._address}/#/experiments/1/runs{path}")

    def wait_for(self, script: str, *arguments: object) -> object:
        """What a script returns as soon as that is true."""
        return WebDriverWait(self._window, 60).until(lambda window: window.execute_script(script, *arguments))

    def search(self, text: str) -> None:
        field = WebDriverWait(self._window, 60).until(
            lambda window: window.find_element("css selector", "input[placeholder='Search metric charts']")
        )
        field.send_keys(text)


@pytest.fixture(scope="module")
def pages(swept: WorkingCopy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pages]:
    port = free_port()
    place = ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    ui = swept.start("mlflow", "ui", *place, MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false")
    try:
        wait_for_answer(ui, f"http://127.0.0.1:{port}/health")
        with chromium(tmp_path_factory.mktemp("browser"), network=True) as window:
            window.set_window_size(1700, 1200)
            yield Pages(window, f"http://127.0.0.1:{port}")
    finally:
        os.killpg(ui.pid, signal.SIGKILL)
        ui.communicate(timeout=60)


def test_page_of_the_runs_shows_all_of_them_with_what_matters(swept: WorkingCopy, pages: Pages) -> None:
    printed = swept.run("make", "--just-print", "ui").stdout
    (view,) = re.findall(r"/runs(\?\S+overview)", printed)
    pages.open(view)
    for run in runs_of(swept):
        pages.wait_for("return document.body.innerText.includes(arguments[0])", run.info.run_name)
    columns = {"test/mse_per_pixel_minus1_to_1", "test/kl_nats_per_image", "test/elbo_nats_per_image", "kl_weight"}
    shown = pages.wait_for(
        "return [...document.querySelectorAll('.ag-header-cell-text, [role=columnheader]')].map(one => one.innerText)"
    )
    assert isinstance(shown, list)
    assert columns <= set(shown)


def test_page_of_each_run_has_its_numbers_and_pictures(swept: WorkingCopy, pages: Pages) -> None:
    for run in runs_of(swept):
        pages.open(f"/{run.info.run_id}?workflowType=machine_learning")
        numbers = f"MSE {run.data.metrics['test/mse_per_pixel_minus1_to_1']:.4g} per pixel on [-1, 1] · KL "
        pages.wait_for("return document.body.innerText.includes(arguments[0])", numbers)
        loaded = pages.wait_for(
            """const pictures = [...document.images].filter(image => image.src.includes(arguments[0]));
            return pictures.length && pictures.every(image => image.naturalWidth > 0) && pictures.length""",
            f"get-artifact?run_uuid={run.info.run_id}",
        )
        assert loaded == 4


def test_curves_of_each_run_have_a_point_for_each_epoch(swept: WorkingCopy, pages: Pages) -> None:
    for run in runs_of(swept):
        pages.open(f"/{run.info.run_id}/model-metrics")
        pages.search("validation/loss")
        points = pages.wait_for(
            """const charts = [...document.querySelectorAll(".js-plotly-plot")];
            const points = charts.flatMap(chart => [...chart.querySelectorAll(".scatterlayer .points path")]);
            return charts.length == 1 && points.length"""
        )
        assert points == swept.params()["epochs"]


def test_figures_of_each_run_open_as_images(swept: WorkingCopy, pages: Pages) -> None:
    for run in runs_of(swept):
        pages.open(f"/{run.info.run_id}/artifacts/figures/samples.png")
        pages.wait_for("return document.body.innerText.includes('figures/samples.png')")
        pages.wait_for(
            """return [...document.images].some(one => one.naturalWidth > 500 && !one.src.startsWith("data:"))
            || [...document.querySelectorAll(".js-plotly-plot image")].length > 0"""
        )
