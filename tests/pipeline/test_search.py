"""The search: what it may choose by, its trials, what a kill or a failure leaves, and the whole with DVC."""

import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext
from pathlib import Path

import optuna
import pytest
import yaml
from mlflow import MlflowClient
from mlflow.entities import Run
from optuna.storages import RDBStorage

import search
from builders import TINY
from fake_search import PLAN, make_root, outcome, run
from interpreters import Interpreters
from mlflow_servers import PostgresServer, free_port, postgres_program
from mnist_vae.common.params import check_params, load_params
from mnist_vae.common.yaml12 import parse_yaml
from mnist_vae.console.stage import Terminated, UserError
from mnist_vae.tracking.store import open_store
from places import REPOSITORY
from presets import Preset
from search_plan import SearchPlan, load_plan
from tiny_pipeline import TinyPipeline


@pytest.fixture
def root(tmp_path: Path, empty_store: bytes) -> Path:
    folder = make_root(tmp_path / "root")
    (folder / "mlflow.db").write_bytes(empty_store)
    return folder


@pytest.fixture
def postgres() -> Iterator[PostgresServer]:
    if postgres_program("initdb") is None:
        pytest.skip("PostgreSQL is not installed (Debian, Ubuntu: apt install postgresql)")
    server = PostgresServer()
    yield server
    server.stop()


def _trials(address: str, name: str = "fake") -> list[optuna.trial.FrozenTrial]:
    storage = RDBStorage(address)
    trials = optuna.load_study(study_name=name, storage=storage).trials
    storage.remove_session()
    storage.engine.dispose()
    return trials


def _states(root: Path) -> list[str]:
    return [trial.state.name for trial in _trials(f"sqlite:///{root}/search.db")]


def _parent(store: Path) -> Run:
    client = MlflowClient(f"sqlite:///{store}/mlflow.db")
    experiment = client.get_experiment_by_name("mnist-vae")
    assert experiment is not None
    (parent,) = [run for run in client.search_runs([experiment.experiment_id]) if "study" in run.data.tags]
    return parent


Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(interpreters: Interpreters, tmp_path: Path) -> Start:
    """Starts a search in a process of its own, which hangs at the trial of that number."""

    def start(folder: Path, address: str, trials: int, hanging: int, **variables: str) -> subprocess.Popen[str]:
        arguments = (str(folder), address, str(trials), str(hanging))
        return interpreters.start("import fake_search; fake_search.main()", tmp_path, *arguments, **variables)

    return start


class Recorder:
    """Runs the trials, and keeps what it ran; the trials of some places in the order end in an exception."""

    def __init__(self, ends: dict[int, BaseException] | None = None):
        self.presets: list[Preset] = []
        self._ends = ends or {}

    def __call__(self, preset: Preset, root: Path) -> search.Outcome:
        self.presets.append(preset)
        if error := self._ends.get(len(self.presets) - 1):
            raise error
        return outcome(preset, root)


def test_best_trial_is_the_least_objective_and_a_reached_number_begins_none(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recorder = Recorder()
    run(root, 6, recorder)
    objectives = {
        preset.name: columns["validation_reconstruction_error_per_image"]
        + 0.5 * columns["validation_kl_nats_per_image"]
        for preset in recorder.presets
        for columns in [outcome(preset, root).columns]
    }
    assert len(objectives) == 6
    best = min(objectives, key=lambda name: objectives[name])
    assert f"dvc exp apply {best} " in capsys.readouterr().out
    tags = _parent(root).data.tags
    assert (_parent(root).info.status, tags["dvc_apply"]) == ("FINISHED", f"dvc exp apply {best}")
    assert float(tags["best_value"]) == pytest.approx(objectives[best])
    again = Recorder()
    run(root, 4, again)
    assert again.presets == []
    assert f"dvc exp apply {best} " in capsys.readouterr().out


def test_search_started_again_tries_other_points_and_the_same_seed_the_same_ones(root: Path, tmp_path: Path) -> None:
    parts, whole = Recorder(), Recorder()
    for trials in (2, 4, 6):
        run(root, trials, parts)
    assert len({preset.params.kl_weight for preset in parts.presets}) == 6
    other = make_root(tmp_path / "other")
    (other / "mlflow.db").write_bytes((root / "mlflow.db").read_bytes())
    run(other, 6, whole)
    assert whole.presets == parts.presets


def test_failed_trials_do_not_count_and_three_in_a_row_end_the_search(root: Path) -> None:
    error = UserError("so it is made up")
    run(root, 4, Recorder({0: error, 1: error, 3: error}))
    assert sorted(_states(root)) == ["COMPLETE"] * 4 + ["FAIL"] * 3
    with pytest.raises(
        UserError, match="3 trials in a row failed, and the reason of the last one is: so it is made up"
    ):
        run(root, 9, Recorder({1: error, 2: error, 3: error}))
    assert "RUNNING" not in _states(root)
    assert _parent(root).info.status == "FAILED"
    assert "in a row" in _parent(root).data.tags["reason"]
    run(root, 6)
    assert (_parent(root).info.status, _parent(root).data.tags.get("reason")) == ("FINISHED", None)


def test_objective_that_is_no_number_is_a_failed_trial(root: Path) -> None:
    def first_is_infinite(preset: Preset, root: Path) -> search.Outcome:
        columns = outcome(preset, root).columns
        return search.Outcome(
            {name: float("inf") if preset.name == "fake-0" else columns[name] for name in columns}, ""
        )

    run(root, 2, first_is_infinite)
    assert _states(root) == ["FAIL", "COMPLETE", "COMPLETE"]


@pytest.mark.parametrize(("interrupt", "name"), [(KeyboardInterrupt(), "SIGINT"), (Terminated(), "SIGTERM")])
def test_interrupted_trial_is_the_next_one_again(root: Path, interrupt: BaseException, name: str) -> None:
    stopped, resumed = Recorder({1: interrupt}), Recorder()
    with pytest.raises(KeyboardInterrupt):
        run(root, 3, stopped)
    assert "RUNNING" not in _states(root)
    assert (_parent(root).info.status, _parent(root).data.tags["reason"]) == ("KILLED", f"stopped by {name}")
    run(root, 3, resumed)
    assert resumed.presets[0].params == stopped.presets[1].params
    assert _states(root).count("COMPLETE") == 3


def test_killed_trial_is_tried_again(root: Path, start: Start) -> None:
    process = start(root, "sqlite:///search.db", 4, 2)
    assert process.stdout is not None
    while "trial 2 runs" not in (line := process.stdout.readline()):
        assert line
    process.kill()
    process.communicate()
    assert _states(root) == ["COMPLETE", "COMPLETE", "RUNNING"]
    time.sleep(4)  # more than the two heartbeats after which it counts as killed
    recorder = Recorder()
    run(root, 4, recorder)
    assert sorted(_states(root)) == ["COMPLETE"] * 4 + ["FAIL"]
    trials = _trials(f"sqlite:///{root}/search.db")
    assert trials[2].state.name == "FAIL"
    assert recorder.presets[0].name == "fake-3"
    assert trials[3].params == trials[2].params


def test_trial_has_a_heartbeat_before_it_runs(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # As if the trial ran before Optuna's thread did: killed then, a trial without a heartbeat would run forever.
    monkeypatch.setattr("optuna.study._optimize.get_heartbeat_thread", lambda *_: nullcontext())
    beats: list[int] = []

    def runner(preset: Preset, root: Path) -> search.Outcome:
        with closing(sqlite3.connect(root / "search.db")) as database:
            beats.extend(database.execute("SELECT COUNT(*) FROM trial_heartbeats").fetchone())
        return outcome(preset, root)

    run(root, 2, runner)
    assert beats == [1, 2]


def test_study_does_not_resume_with_another_plan(root: Path) -> None:
    run(root, 1)
    for changes, what in (
        ({"objective": {"validation_reconstruction_error_per_image": 1}}, "objective"),
        ({"space": {"kl_weight": {"low": 0.1, "high": 1}}}, "space"),
        ({"fixed": {"batch_size": TINY["batch_size"] + 1}}, "other parameters"),
    ):
        (root / "search.yaml").write_text(yaml.safe_dump(PLAN | changes))
        with pytest.raises(UserError, match=f"the study fake was started with another {what}"):
            run(root, 2)
    assert _states(root) == ["COMPLETE"]


def test_two_machines_share_one_study_on_postgresql(
    postgres: PostgresServer, tmp_path: Path, empty_store: bytes, start: Start
) -> None:
    (tmp_path / "mlflow.db").write_bytes(empty_store)
    store = f"sqlite:///{tmp_path}/mlflow.db"
    address = postgres.address.replace("tester@", "tester:hunter7@")
    folders = [make_root(tmp_path / name) for name in ("one", "two")]
    processes = [start(folder, address, 15, -1, MLFLOW_TRACKING_URI=store) for folder in folders]
    printed = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], printed
    trials = _trials(postgres.address)
    # The trial that the other one was at when the fifteenth was finished counts, too.
    assert {trial.state.name for trial in trials} == {"COMPLETE"}
    assert len(trials) in {15, 16}
    assert len({trial.params["kl_weight"] for trial in trials}) == len(trials)
    parts = [text.count(" runs: ") for text in printed]
    assert min(parts) > 0
    assert sum(parts) == len(trials)
    best = min(trials, key=lambda trial: trial.value or 0)
    assert (_parent(tmp_path).info.status, _parent(tmp_path).data.tags["best_trial"]) == ("FINISHED", str(best.number))
    assert not any("hunter7" in text for text in printed)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not [path for path in files if b"hunter7" in path.read_bytes()]


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://tester:hunter7@127.0.0.1:{port}/x",
        "postgresql://127.0.0.1:{port}/x?user=tester&password=hunter7",
        "nonsense hunter7",
        "nodialect://tester:hunter7@host/x",
    ],
)
def test_message_about_a_failing_storage_is_one_line_without_the_password(root: Path, address: str) -> None:
    with pytest.raises(UserError, match=r"the database of the trials failed|is not an address") as caught:
        run(root, 1, address=address.format(port=free_port()))
    assert "hunter7" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("form", ["hunt/er7", "hunt%2Fer7", "postgresql://tester:hunt%2Fer7@host/x"])
def test_password_in_what_a_driver_says_is_not_told(root: Path, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ImportError(f"no connection with {form} to host")

    monkeypatch.setattr(search, "RDBStorage", fail)
    with pytest.raises(UserError, match="no connection with") as caught:
        run(root, 1, address="postgresql://tester:hunt%2Fer7@host/x")
    assert "er7" not in str(caught.value)


def test_search_continues_without_mlflow_and_links_later(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://user:hunter7@127.0.0.1:{free_port()}")
    run(root, 3)
    printed = capsys.readouterr().out
    assert printed.count("MLflow failed") == 1
    assert "hunter7" not in printed
    assert "the best trial is" in printed
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    store = open_store(root)
    child = store.client.create_run(store.experiment_id, 1, {"dvc_experiment": "fake-1"}, "late").info.run_id
    run(root, 3)
    assert _parent(root).info.status == "FINISHED"
    assert store.client.get_run(child).data.tags["mlflow.parentRunId"] == _parent(root).info.run_id


def test_trials_are_experiments_judged_by_their_validation_columns(tmp_path: Path, interpreters: Interpreters) -> None:
    tiny = TinyPipeline(tmp_path / "clone", interpreters)
    axes = {"kl_weight": {"low": 0.01, "high": 1, "log": True}, "latent_dim": {"choices": [3, 5]}}
    tiny.write("search.yaml", PLAN | {"study": "tiny", "space": axes, "fixed": {"batch_size": 16}})
    commit = tiny.commit()
    tiny.environment[search.STORAGE] = "sqlite:///search.db"  # the stage fails where it sees that
    printed = tiny.succeed("python", "tools/search.py", "--trials", "2")
    assert tiny.succeed("git", "status", "--porcelain") == ""
    trials = {f"tiny-{trial.number}": trial for trial in _trials(f"sqlite:///{tiny.folder}/search.db", "tiny")}
    experiments = tiny.experiments(commit)
    assert experiments.keys() == trials.keys() == {"tiny-0", "tiny-1"}
    for name, trial in trials.items():
        head, last = tiny.succeed("git", "show", f"{experiments[name]}:reports/history/epochs.csv").splitlines()
        columns = dict(zip(head.split(","), map(float, last.split(",")), strict=True))
        expected = columns["validation_reconstruction_error_per_image"] + 0.5 * columns["validation_kl_nats_per_image"]
        assert trial.value == pytest.approx(expected)
        params = yaml.safe_load(tiny.succeed("git", "show", f"{experiments[name]}:params.yaml"))
        assert (params["kl_weight"], str(params["latent_dim"])) == (
            trial.params["kl_weight"],
            trial.params["latent_dim"],
        )
        assert params["batch_size"] == 16
    best = min(trials, key=lambda name: trials[name].value or 0)
    assert f"dvc exp apply {best} " in printed
    tiny.succeed("dvc", "exp", "apply", best)
    applied = yaml.safe_load((tiny.folder / "params.yaml").read_text())
    assert applied["kl_weight"] == trials[best].params["kl_weight"]


def _plan(root: Path, **changes: object) -> SearchPlan:
    (root / "search.yaml").write_text(yaml.safe_dump(PLAN | changes))
    return load_plan(root / "search.yaml", check_params(TINY, "TINY"))


def test_search_works_in_a_part_of_a_larger_repository(tmp_path: Path, interpreters: Interpreters) -> None:
    tiny = TinyPipeline(tmp_path / "a part", interpreters)
    tiny.write("search.yaml", PLAN | {"study": "tiny", "space": {"kl_weight": {"low": 0.01, "high": 1, "log": True}}})
    (tiny.folder / ".git").rename(tmp_path / ".git")
    (tmp_path / ".gitignore").write_text("/home/\n")
    (tmp_path / "params.yaml").write_text("of: another project")
    tiny.succeed("git", "add", "--all", "..")
    commit = tiny.commit()
    assert "dvc exp apply tiny-0" in tiny.succeed("python", "tools/search.py", "--trials", "1")
    assert tiny.experiments(commit).keys() == {"tiny-0"}


def test_committed_objective_has_the_weights_of_the_default_loss() -> None:
    base = load_params(REPOSITORY / "params.yaml")
    plan = load_plan(REPOSITORY / "search.yaml", base)
    # The loss times the pixels: squared error + kl_weight * pixels / latent_dim * KL.
    weight = base.kl_weight * base.image_size**2 / base.latent_dim
    assert list(plan.objective.values()) == [1, pytest.approx(weight)]


@pytest.mark.parametrize(
    "column",
    ["train_loss", "train_kl_nats_per_image", "epoch", "kl_nats", "mse_per_pixel_0_to_1", "test/mse"],
)
def test_objective_refuses_what_is_not_of_the_validation_images(tmp_path: Path, column: str) -> None:
    with pytest.raises(
        UserError, match=f"objective has {column}, which is not a column of the validation images: use only "
    ):
        _plan(tmp_path, objective={"validation_reconstruction_error_per_image": 1, column: 1})


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        (
            {"objective": {"validation_loss": 1}},
            "validation_loss, .* depends on (kl_weight|latent_dim), which is in space",
        ),
        ({"objective": {}}, "objective"),
        ({"objective": {"validation_loss": float("nan")}}, "objective.validation_loss"),
        ({"study": "a/b"}, "study"),
        ({"seed": -1}, "seed"),
        ({"sampler": "tpe"}, "sampler"),
        ({"space": {}}, "space"),
        ({"space": {"kl_wieght": {"low": 0.1, "high": 1}}}, "kl_wieght .* is not a parameter"),
        ({"space": {"kl_weight": {"low": -1, "high": 1}}}, "kl_weight is -1.0, but must be"),
        ({"space": {"kl_weight": {"low": 0, "high": 1, "log": True}}}, "log: true needs a low above 0"),
        ({"space": {"kl_weight": {"low": 1, "high": 1}}}, "must be less than high"),
        ({"space": {"kl_weight": {"low": 1}}}, "needs low and high, or choices"),
        ({"space": {"kl_weight": {"choices": [0.1], "log": True}}}, "log: true needs a low"),
        ({"space": {"latent_dim": {"low": 0, "high": 4}}}, "latent_dim is 0, but must be"),
        ({"space": {"latent_dim": {"low": 1.5, "high": 4}}}, "latent_dim is 1.5, but must be"),
        ({"space": {"latent_dim": {"choices": [4, "8"]}}}, "latent_dim is '8', but must be"),
        ({"space": {"network": {"low": 1, "high": 2}}}, "network is 1.0, but must be"),
        ({"space": {"seed": {"low": 1, "high": 2}}}, "seed cannot be searched"),
        ({"fixed": {"epochs": 0}}, "epochs is 0, but must be"),
        ({"fixed": {"kl_weight": 1}}, "kl_weight is in fixed and in space"),
    ],
)
def test_wrong_plan_is_refused_in_a_line(tmp_path: Path, changes: dict, complaint: str) -> None:
    with pytest.raises(UserError, match=complaint) as caught:
        _plan(tmp_path, **changes)
    assert "\n" not in str(caught.value)


def test_suggestions_become_values_that_dvc_can_hand_on(tmp_path: Path) -> None:
    plan = _plan(tmp_path, space={"learning_rate": {"low": 0.00001, "high": 0.001, "log": True}})
    trial = optuna.trial.FixedTrial({"learning_rate": 1e-05})
    value = plan.space["learning_rate"].suggest(trial, "learning_rate", 0.001)
    assert parse_yaml(repr(value), "as DVC writes it") == 1e-05
