"""The search: what it may choose by, its loop, and as a whole by DVC's queue, Optuna and MLflow."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest
import yaml
from mlflow import MlflowClient
from mlflow.entities import Run
from sqlalchemy.exc import SQLAlchemyError

import search
import search_loop
import storage
from builders import TINY
from fake_runner import PLAN, FakeRunner, epoch_of, make_root
from mlflow_servers import PostgresServer, free_port, postgres_program
from mnist_vae.common.params import check_params
from mnist_vae.console.stage import Terminated, UserError
from mnist_vae.tracking.store import open_store
from search import Limits
from working_copy import REPOSITORY, WorkingCopy

SEARCHED = {
    "study": "tiny",
    "seed": 0,
    "objective": {"validation_distortion_per_image": 1, "validation_kl_nats_per_image": 0.8},
    "fixed": {"epochs": 1},
    "space": {"kl_weight": {"low": 0.01, "high": 1, "log": True}, "latent_dim": {"choices": [4, 6]}},
}


@pytest.fixture
def root(tmp_path: Path, empty_store: bytes) -> Path:
    folder = make_root(tmp_path / "root")
    (folder / "mlflow.db").write_bytes(empty_store)
    return folder


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_loop, "_SECONDS", 0)


@pytest.fixture
def postgres() -> Iterator[PostgresServer]:
    if postgres_program("initdb") is None:
        pytest.skip("PostgreSQL is not installed (Debian, Ubuntu: apt install postgresql)")
    server = PostgresServer()
    yield server
    server.stop()


def _trials(address: str, name: str) -> list[optuna.trial.FrozenTrial]:
    with storage.open_storage(address, Path()) as opened:
        return optuna.load_study(study_name=name, storage=opened).trials


def _states(address: str, name: str = "fake") -> list[str]:
    return [trial.state.name for trial in _trials(address, name)]


def _file(root: Path) -> str:
    return f"sqlite:///{root}/search.db"


def _run(root: Path, trials: int, jobs: int = 1, **manner: tuple[int, ...]) -> FakeRunner:
    runner = FakeRunner(jobs, root, **manner)
    search.search(Limits(trials, jobs), "sqlite:///search.db", root, lambda *_: runner)
    return runner


def _runs(address: str) -> list[Run]:
    client = MlflowClient(address)
    experiment = client.get_experiment_by_name("mnist-vae")
    assert experiment is not None
    return list(client.search_runs([experiment.experiment_id]))


def _parents(address: str) -> list[Run]:
    return [run for run in _runs(address) if "study" in run.data.tags]


def test_best_trial_is_the_least_objective(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runner = _run(root, 6)
    assert len(runner.begun) == 6
    objectives = [
        (epoch.validation_distortion_per_image + 0.5 * epoch.validation_kl_nats_per_image, preset.name)
        for preset in runner.begun
        for epoch in [epoch_of(preset)]
    ]
    printed = capsys.readouterr().out
    assert f"dvc exp apply {min(objectives)[1]} " in printed
    (parent,) = _parents(f"sqlite:///{root}/mlflow.db")
    assert parent.info.status == "FINISHED"
    assert parent.data.tags["dvc_apply"] == f"dvc exp apply {min(objectives)[1]}"
    assert float(parent.data.tags["best_value"]) == pytest.approx(min(objectives)[0])
    for trials in (6, 4):
        assert _run(root, trials).begun == []
        assert "the best of 6 trials" in (printed := capsys.readouterr().out)
        assert "under way" not in printed


def test_search_started_again_tries_other_points_and_the_same_seed_the_same_ones(root: Path, tmp_path: Path) -> None:
    points = [preset.params for trials in (2, 4, 6) for preset in _run(root, trials).begun]
    assert len({params.kl_weight for params in points}) == 6
    other = make_root(tmp_path / "other")
    (other / "mlflow.db").write_bytes((root / "mlflow.db").read_bytes())
    assert [preset.params for preset in _run(other, 6).begun] == points


def test_failed_trials_do_not_count_and_three_in_a_row_end_the_search(root: Path) -> None:
    assert len(_run(root, 4, failing=(0, 1, 3)).begun) == 7
    assert sorted(_states(_file(root))) == ["COMPLETE"] * 4 + ["FAIL"] * 3
    with pytest.raises(UserError, match="3 trials in a row failed, the last one because so it is made up"):
        _run(root, 9, failing=(1, 2, 3))
    assert "RUNNING" not in _states(_file(root))
    (parent,) = _parents(f"sqlite:///{root}/mlflow.db")
    assert parent.info.status == "FAILED"
    assert "in a row" in parent.data.tags["reason"]
    _run(root, 6)
    (parent,) = _parents(f"sqlite:///{root}/mlflow.db")
    assert (parent.info.status, parent.data.tags.get("reason")) == ("FINISHED", None)


@pytest.mark.parametrize(("interrupt", "name"), [(KeyboardInterrupt, "SIGINT"), (Terminated, "SIGTERM")])
def test_interrupt_stops_the_trials_and_leaves_none_running(
    root: Path, monkeypatch: pytest.MonkeyPatch, interrupt: type[BaseException], name: str
) -> None:
    runner = FakeRunner(2, root, hanging=(2, 3))
    look = runner.look

    def interrupted(preset: object) -> object:
        if len(runner.begun) == 4:
            raise interrupt
        return look(preset)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(runner, "look", interrupted)
    with pytest.raises(UserError, match="stopped; what is finished stays"):
        search.search(Limits(8, 2), "sqlite:///search.db", root, lambda *_: runner)
    assert {preset.name for preset in runner.stopped} >= {"fake-3"}
    states = _states(_file(root))
    assert "RUNNING" not in states
    (parent,) = _parents(f"sqlite:///{root}/mlflow.db")
    assert (parent.info.status, parent.data.tags["reason"]) == ("KILLED", f"stopped by {name}")
    _run(root, 8)
    assert _states(_file(root)).count("COMPLETE") == 8


def test_killed_search_leaves_no_trial_running_for_ever(root: Path) -> None:
    command = [sys.executable, "tests/fake_runner.py", str(root), "sqlite:///search.db", "6", "2 3"]
    process = subprocess.Popen(command, cwd=REPOSITORY, env=_environment(), stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    while "trial 3 is queued" not in (line := process.stdout.readline()):
        assert line
    process.kill()
    process.communicate()
    assert _states(_file(root)).count("RUNNING") == 2
    # One that was killed between a trial's beginning and the entry of whose it is.
    with storage.open_storage(_file(root), root) as opened:
        optuna.load_study(study_name="fake", storage=opened).ask()
    _run(root, 6)
    assert sorted(_states(_file(root))) == ["COMPLETE"] * 6 + ["FAIL"] * 3


def test_study_does_not_go_on_with_another_plan(root: Path) -> None:
    _run(root, 1)
    for changes, what in (
        ({"objective": {"validation_distortion_per_image": 1}}, "objective"),
        ({"space": {"kl_weight": {"low": 0.1, "high": 1}}}, "space"),
        ({"fixed": {"batch_size": TINY["batch_size"] + 1}}, "other parameters"),
    ):
        (root / "search.yaml").write_text(yaml.safe_dump(PLAN | changes))
        with pytest.raises(UserError, match=f"the study fake began with another {what}"):
            _run(root, 2)
    assert _states(_file(root)) == ["COMPLETE"]


def _environment() -> dict[str, str]:
    places = os.pathsep.join(str(REPOSITORY / name) for name in ("src", "tools", "tests"))
    return os.environ | {"PYTHONPATH": places}


def test_two_machines_finish_exactly_as_many_trials_as_wanted(
    postgres: PostgresServer, tmp_path: Path, empty_store: bytes
) -> None:
    (tmp_path / "mlflow.db").write_bytes(empty_store)
    environment = _environment() | {"MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db"}
    address = postgres.address.replace("tester@", "tester:hunter7@")
    folders = [make_root(tmp_path / name) for name in ("one", "two")]
    processes = [
        subprocess.Popen(
            [sys.executable, "tests/fake_runner.py", str(folder), address, "15", ""],
            cwd=REPOSITORY,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for folder in folders
    ]
    printed = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], printed
    trials = _trials(postgres.address, "fake")
    assert [trial.state.name for trial in trials] == ["COMPLETE"] * 15
    assert sorted(trial.number for trial in trials) == list(range(15))
    assert len({trial.params["kl_weight"] for trial in trials}) == 15
    # Both took part, each with trials of its own.
    parts = [[word for word in text.split("trial ") if "is queued" in word] for text in printed]
    assert min(map(len, parts)) > 0
    assert sum(map(len, parts)) == 15
    (parent,) = _parents(f"sqlite:///{tmp_path}/mlflow.db")
    best = min(trials, key=lambda trial: trial.value or 0)
    assert (parent.info.status, parent.data.tags["best_trial"]) == ("FINISHED", str(best.number))
    assert not any("hunter7" in text for text in printed)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not [path for path in files if b"hunter7" in path.read_bytes()]


@pytest.mark.parametrize(
    "address", ["postgresql://tester:hunt%2Fer7@host/x", "postgresql://host/x?user=tester&password=hunt%2Fer7"]
)
@pytest.mark.parametrize("form", ["hunt/er7", "hunt%2Fer7", "{address}"])
def test_password_in_what_a_driver_says_is_not_told(address: str, form: str) -> None:
    said = f"no connection with {form.format(address=address)} to host"
    with pytest.raises(UserError, match="no connection with") as caught, storage.told_in_a_line(address):
        raise SQLAlchemyError(said)
    assert "er7" not in str(caught.value)


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://tester:hunter7@127.0.0.1:{port}/x",
        "postgresql://127.0.0.1:{port}/x?user=tester&password=hunter7",
        "nonsense hunter7",
        "nodialect://tester:hunter7@host/x",
    ],
)
def test_failing_storage_is_told_in_a_line_without_the_password(
    root: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv(storage.VARIABLE, address.format(port=free_port()))
    monkeypatch.setenv("MAKEFLAGS", f"STORAGE={address}")
    with pytest.raises(UserError, match=r"the storage failed|STORAGE is no address") as caught:
        search.search(Limits(1, 1), storage.take_address(), root, FakeRunner)
    assert "hunter7" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not {storage.VARIABLE, "MAKEFLAGS"} & os.environ.keys()


def test_search_goes_on_without_mlflow_and_links_later(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://user:hunter7@127.0.0.1:{free_port()}")
    _run(root, 3)
    printed = capsys.readouterr().out
    assert printed.count("MLflow failed") == 1
    assert "hunter7" not in printed
    assert "the best of 3 trials" in printed
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    store = open_store(root)
    run = store.client.create_run(store.experiment_id, 1, {"dvc_experiment": "fake-1"}, "late").info.run_id
    _run(root, 3)
    (parent,) = _parents(f"sqlite:///{root}/mlflow.db")
    assert parent.info.status == "FINISHED"
    assert store.client.get_run(run).data.tags["mlflow.parentRunId"] == parent.info.run_id


def test_killed_search_goes_on_to_trials_that_are_experiments_and_runs(reproduced: WorkingCopy, tmp_path: Path) -> None:
    clone = reproduced.copied_to(tmp_path / "clone")
    (clone.folder / "search.yaml").write_text(yaml.safe_dump(SEARCHED))
    clone.commit()
    clone.introduce()
    params = (clone.folder / "params.yaml").read_bytes()
    command = ("python", "tools/search.py", "3", "2")
    killed = clone.start(*command, PYTHONPATH="src")
    assert killed.stdout is not None
    while "trial 1 is queued" not in (line := killed.stdout.readline()):
        assert line
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    assert "RUNNING" in _states(_file(clone.folder), "tiny")

    printed = clone.succeed(*command, PYTHONPATH="src")
    assert (clone.folder / "params.yaml").read_bytes() == params
    assert _states(_file(clone.folder), "tiny") == ["COMPLETE"] * 3
    head = clone.succeed("git", "rev-parse", "HEAD").strip()
    objectives = {}
    for trial in _trials(_file(clone.folder), "tiny"):
        name = f"tiny-{trial.number}"
        commit = f"refs/exps/{head[:2]}/{head[2:]}/{name}"
        epochs = clone.succeed("git", "show", f"{commit}:reports/history/epochs.csv").splitlines()
        last = dict(zip(epochs[0].split(","), map(float, epochs[-1].split(",")), strict=True))
        objectives[name] = last["validation_distortion_per_image"] + 0.8 * last["validation_kl_nats_per_image"]
        values = yaml.safe_load(clone.succeed("git", "show", f"{commit}:params.yaml"))
        assert (values["kl_weight"], str(values["latent_dim"])) == (
            trial.params["kl_weight"],
            trial.params["latent_dim"],
        )
        assert trial.value == pytest.approx(objectives[name])
    best = min(objectives, key=lambda name: objectives[name])
    assert f"dvc exp apply {best} " in printed

    store = f"sqlite:///{clone.folder}/mlflow.db"
    (parent,) = _parents(store)
    assert (parent.info.status, parent.data.tags["dvc_apply"]) == ("FINISHED", f"dvc exp apply {best}")
    children = [run for run in _runs(store) if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    assert sorted(run.data.tags["dvc_experiment"] for run in children) == sorted(objectives)

    assert "is queued" not in clone.succeed(*command, PYTHONPATH="src")
    assert len(_runs(store)) == len(children) + 2  # the parent, and that of the reproduced result
    clone.succeed("dvc", "exp", "apply", best)
    (trial,) = [one for one in _trials(_file(clone.folder), "tiny") if best == f"tiny-{one.number}"]
    assert clone.params()["kl_weight"] == trial.params["kl_weight"]
    assert check_params(clone.params(), best).epochs == 1
