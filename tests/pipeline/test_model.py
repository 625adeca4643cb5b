"""The model as MLflow knows it: rows of numbers in and out, in a process with MLflow and nothing of this project."""

import ast
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions, version
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
import pytest
import torch
from mlflow import MlflowClient

import register
from builders import tiny_images, tiny_model, tiny_origin, tiny_params
from mlflow_servers import free_port, wait_for_answer
from mnist_vae.console.stage import UserError
from mnist_vae.model.file import TrainedModel, load_model
from mnist_vae.tracking.model import ServedModel
from places import REPOSITORY
from working_copy import WorkingCopy

ROWS = tiny_images(3).flatten(1).numpy().astype(np.float32)
# Loads a model and lets it predict, in a process that knows nothing of this repository.
LOADING = """
import json, sys
import mlflow, numpy as np
model = mlflow.pyfunc.load_model(sys.argv[1])
rows = np.array(json.loads(sys.argv[2]), np.float32)
methods = ("reconstruct", "encode", "sample")
outputs = {method: model.predict(rows, params={"method": method}).tolist() for method in methods}
outputs["decode"] = model.predict(np.array(outputs["encode"], np.float32), params={"method": "decode"}).tolist()
files = [module.__file__ for name, module in sys.modules.items() if name.split(".")[0] == "mnist_vae"]
print(json.dumps({"outputs": outputs, "code": files, "source": "".join(open(file).read() for file in files)}))
"""


@pytest.fixture(scope="module")
def served() -> ServedModel:
    return ServedModel(TrainedModel(tiny_model().eval(), tiny_origin()))


def test_methods_are_those_of_the_model(served: ServedModel) -> None:
    model = tiny_model().eval()
    with torch.inference_mode():
        codes = model.encode(tiny_images(3)).mean
        images = model.decode(codes).reshape(3, -1) * 255
    np.testing.assert_array_equal(served.predict(ROWS, {"method": "encode"}), codes)
    np.testing.assert_array_equal(served.predict(ROWS), images)
    np.testing.assert_array_equal(served.predict(ROWS, {"method": "reconstruct"}), images)
    np.testing.assert_array_equal(served.predict(codes.numpy(), {"method": "decode"}), images)


def test_samples_are_as_many_as_rows_and_a_function_of_the_seed(served: ServedModel) -> None:
    first, again, other = (
        served.predict(np.zeros((4, width)), {"method": "sample", "seed": seed})
        for width, seed in ((0, 5), (1, 5), (0, 6))
    )
    np.testing.assert_array_equal(first, again)
    assert first.shape == (4, 256)
    assert not np.array_equal(first, other)
    assert len(np.unique(first, axis=0)) == 4


@pytest.mark.parametrize(
    ("rows", "method", "complaint"),
    [
        (ROWS, "dream", "method is 'dream', but must be reconstruct, encode, decode or sample"),
        (ROWS[:, :255], "encode", r"each row must have 256 pixels, but the input has the shape \(3, 255\)"),
        (ROWS[0], "reconstruct", r"each row must have 256 pixels, but the input has the shape \(256,\)"),
        (ROWS + 0.5, "encode", "pixels must be whole grey levels from 0 to 255"),
        (ROWS - 1, "encode", "pixels must be whole grey levels"),
        (ROWS + 256, "reconstruct", "pixels must be whole grey levels"),
        (ROWS * np.nan, "encode", "pixels must be whole grey levels"),
        (ROWS, "decode", r"each row must have 3 latent dimensions, but the input has the shape \(3, 256\)"),
        (np.full((1, 3), np.inf, np.float32), "decode", "codes must be finite"),
    ],
)
def test_wrong_input_is_refused_in_words(served: ServedModel, rows: np.ndarray, method: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=f"^{complaint}"):
        served.predict(rows, {"method": method})


def test_plain_autoencoder_has_no_samples() -> None:
    plain = tiny_params(variational=False, kl_weight=0).of_model()
    origin = tiny_origin().model_copy(update={"params": plain})
    served = ServedModel(TrainedModel(tiny_model(variational=False, kl_weight=0).eval(), origin))
    with pytest.raises(ValueError, match="no prior"):
        served.predict(ROWS, {"method": "sample"})


class Logged:
    """The model of the reproduced pipeline's run, and its test images."""

    def __init__(self, copy: WorkingCopy):
        self.store = f"sqlite:///{copy.folder}/mlflow.db"
        self.client = MlflowClient(self.store)
        (self.run,) = self.client.search_runs(["1"])
        self.uri = f"runs:/{self.run.info.run_id}/model"
        self.model = load_model(copy.folder / "models" / "model.safetensors", torch.device("cpu")).autoencoder
        self.images = tiny_images(2)
        self.rows = self.images.flatten(1).tolist()
        self.environment = {
            name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "MLFLOW_TRACKING_URI"}
        } | {"MLFLOW_TRACKING_URI": self.store, "MLFLOW_DISABLE_TELEMETRY": "true"}

    def encoded(self) -> np.ndarray:
        with torch.inference_mode():
            return self.model.encode(self.images).mean.numpy()

    def reconstructed(self) -> np.ndarray:
        with torch.inference_mode():
            return self.model.decode(self.model.encode(self.images).mean).reshape(2, -1).numpy() * 255


@pytest.fixture(scope="module")
def logged(reproduced: WorkingCopy) -> Logged:
    return Logged(reproduced)


def test_run_holds_the_model_and_its_data(logged: Logged, reproduced: WorkingCopy) -> None:
    (model,) = logged.client.search_logged_models(["1"])
    assert (model.name, model.status, model.source_run_id) == ("model", "READY", logged.run.info.run_id)
    assert logged.run.outputs is not None
    assert [one.model_id for one in logged.run.outputs.model_outputs] == [model.model_id]
    assert logged.run.inputs is not None
    (data,) = logged.run.inputs.dataset_inputs
    lock = (reproduced.folder / "dvc.lock").read_text()
    (md5,) = set(re.findall(r"path: data/prepared.safetensors\n +hash: md5\n +md5: (\w+)", lock))
    assert (data.dataset.name, data.dataset.digest) == ("mnist", md5)


def test_model_loads_without_this_repository(logged: Logged, tmp_path: Path) -> None:
    command = [sys.executable, "-c", LOADING, logged.uri, json.dumps(logged.rows)]
    done = subprocess.run(
        command, cwd=tmp_path, env=logged.environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert not [file for file in found["code"] if Path(file).is_relative_to(REPOSITORY / "src")]
    np.testing.assert_allclose(found["outputs"]["encode"], logged.encoded(), atol=1e-5)
    np.testing.assert_allclose(found["outputs"]["reconstruct"], logged.reconstructed(), atol=1e-2)
    np.testing.assert_allclose(found["outputs"]["decode"], logged.reconstructed(), atol=1e-2)
    assert np.shape(found["outputs"]["sample"]) == (2, 256)
    imported = {name.split(".")[0] for name in _imports(found["source"])} - sys.stdlib_module_names - {"mnist_vae"}
    assert imported - {"torch", "jaxtyping"}  # more than what every module has
    owners = packages_distributions()
    # pydantic requires one version of its core; several distributions share the package mlflow.
    needed = _requirements(logged)
    for name in imported - {"pydantic_core"}:
        assert {owner.lower() for owner in owners[name]} & needed, name


def _imports(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            yield str(node.module)
        elif isinstance(node, ast.Import):
            yield from (one.name for one in node.names)


def _requirements(logged: Logged) -> set[str]:
    (model,) = logged.client.search_logged_models(["1"])
    lines = (Path(model.artifact_location.removeprefix("file://")) / "requirements.txt").read_text().split()
    pinned = dict(line.split("==") for line in lines)
    assert pinned == {name: version(name) for name in pinned}
    return set(pinned)


@pytest.fixture(scope="module")
def address(logged: Logged, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where `mlflow models serve` serves the model."""
    port, folder = free_port(), tmp_path_factory.mktemp("serving")
    place = ["--host", "127.0.0.1", "--port", str(port), "--env-manager", "local", "--workers", "1"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "models", "serve", "--model-uri", logged.uri, *place],
            cwd=folder,
            env=logged.environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        wait_for_answer(process, f"http://127.0.0.1:{port}/ping", folder / "log")
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _ask(address: str, question: dict) -> dict:
    body, head = json.dumps(question).encode(), {"Content-Type": "application/json"}
    with urlopen(Request(f"{address}/invocations", body, head), timeout=60) as answer:
        return json.load(answer)


def test_served_model_answers_over_http(address: str, logged: Logged) -> None:
    answer = _ask(address, {"inputs": logged.rows})
    np.testing.assert_allclose(answer["predictions"], logged.reconstructed(), atol=1e-2)
    codes = _ask(address, {"inputs": logged.rows, "params": {"method": "encode"}})["predictions"]
    np.testing.assert_allclose(codes, logged.encoded(), atol=1e-5)
    images = _ask(address, {"inputs": codes, "params": {"method": "decode"}})["predictions"]
    np.testing.assert_allclose(images, logged.reconstructed(), atol=1e-2)
    samples = _ask(address, {"inputs": [[0]] * 3, "params": {"method": "sample", "seed": 7}})["predictions"]
    assert np.shape(samples) == (3, 256)


def test_served_model_refuses_in_words(address: str, logged: Logged) -> None:
    with pytest.raises(HTTPError) as refused:
        _ask(address, {"inputs": logged.rows, "params": {"method": "dream"}})
    assert refused.value.code == 400
    assert "must be reconstruct, encode, decode or sample" in refused.value.read().decode()


def test_model_is_registered_by_an_explicit_command_only(reproduced: WorkingCopy, tmp_path: Path) -> None:
    copy = reproduced.copied_to(tmp_path / "clone")
    logged = Logged(copy)
    assert logged.client.search_registered_models() == []
    for alias in ("champion", "champion", "candidate"):
        printed = register.register_run("HEAD", alias, copy.folder)
        assert printed == f"run {logged.run.info.run_id[:8]} is version 1 of mnist-vae: models:/mnist-vae@{alias}"
        chosen = logged.client.get_model_version_by_alias("mnist-vae", alias)
        assert (chosen.run_id, chosen.status) == (logged.run.info.run_id, "READY")
    assert len(logged.client.search_model_versions("name = 'mnist-vae'")) == 1
    printed = copy.succeed("python", "tools/register.py", logged.run.info.run_id[:8], "third", PYTHONPATH="src")
    assert "is version 1 of mnist-vae: models:/mnist-vae@third" in printed


@pytest.mark.parametrize(
    ("name", "alias", "complaint"),
    [
        ("nothing", "champion", "'nothing' names 0 runs, but must name one"),
        ("HEAD", "a/b:c", "MLflow failed: "),
    ],
)
def test_wrong_registration_is_one_line(reproduced: WorkingCopy, name: str, alias: str, complaint: str) -> None:
    with pytest.raises(UserError, match=f"^{complaint}") as refused:
        register.register_run(name, alias, reproduced.folder)
    assert "\n" not in str(refused.value)
