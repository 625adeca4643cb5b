"""Completing a run from the files of a result. Logging the same result twice changes nothing."""

import csv
import json
import re
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from mnist_vae.common import paths
from mnist_vae.common.atomic import file_md5
from mnist_vae.common.params import load_params
from mnist_vae.data.history import EpochHistory, EpochRow, StepRow, read_epochs, read_steps
from mnist_vae.model.file import Origin
from mnist_vae.tracking.model import log_model
from mnist_vae.tracking.page import describe
from mnist_vae.tracking.store import Store, retry

if TYPE_CHECKING:
    from mlflow.entities import Run

STAGES = ("train", "evaluate", "render")  # the stages that log into a run, in their order
_NOT_IN_METRICS = re.compile(r"[^\w. -]|^\.+$")
_BOUND = re.compile(r"nll_nats_k(\d+)")
_LONGEST_CLASS = 100  # characters
_METRICS_A_CALL = 1000  # MLflow refuses more
_DIFF = "uncommitted.diff"
_OF_EXPERIMENT = {"dvc_experiment", "dvc_baseline", "dvc_apply"}  # tags


class Result(NamedTuple):
    """A result: the folder that contains its files under the names in paths.py, and the origin of its model."""

    folder: Path
    origin: Origin

    def files(self, stage: str) -> dict[Path, str]:
        """The files of a stage that become artifacts of the run, each with its folder among the artifacts."""
        if stage == "train":
            names = {paths.EPOCHS: "history", paths.STEPS: "history", paths.ENVIRONMENT: ""}
        elif stage == "evaluate":
            names = {paths.METRICS: "", paths.CLASSES: ""}
        else:
            figures = dict.fromkeys(sorted((self.folder / paths.FIGURES).iterdir()), "figures")
            page = self.folder / paths.REPORT  # which results of an older version do not have
            return figures | ({page: ""} if page.exists() else {})
        return {self.folder / path: folder for path, folder in names.items()}

    def has(self, stage: str) -> bool:
        """Whether the files of a stage exist. They may not: DVC can run a later stage alone."""
        place = self.folder / paths.FIGURES
        return place.is_dir() if stage == "render" else all(path.exists() for path in self.files(stage))


@dataclass(frozen=True)
class StoredRun:
    """A run in a store, and whether it was created just now.

    `logged` caches the values that the run has, by metric and step, because reading them takes longer each epoch.
    """

    store: Store
    run_id: str
    is_new: bool
    logged: dict[str, dict[int, float]] = field(default_factory=dict)


class _Point(NamedTuple):
    name: str
    step: int
    value: float


def find_or_create_run(store: Store, origin: Origin, tags: dict[str, str], *, for_training: bool) -> StoredRun:
    """Find the latest run of a training, or create one with these tags. Runs of this repository are preferred.

    With `for_training`, only an unfinished run of this repository is taken, because training again after a finished run
    is another execution. That run gets the tags, because a rerun is another experiment to DVC.
    """
    same = f"tags.fingerprint = '{origin.fingerprint}'"
    run = _latest(store, f"{same} and tags.repository = '{tags['repository']}'")
    if for_training and run and run.info.status == "FINISHED":
        run = None
    elif not for_training:
        run = run or _latest(store, same)
    is_new = run is None
    if run is None:
        # The tags are set at creation: if this process is killed afterwards, they are how the run is found.
        name = _run_name(origin, tags)
        tags = {"fingerprint": origin.fingerprint, "data_md5": origin.data_md5, **tags}
        run = store.client.create_run(store.experiment_id, tags=tags, run_name=name)
    elif for_training:
        rename(store, run, origin, tags)
    _log_inputs(store, run, origin)
    return StoredRun(store, run.info.run_id, is_new)


def rename(store: Store, run: "Run", origin: Origin, tags: dict[str, str]) -> None:
    """Set the run's tags and its name, and remove the tags of another DVC experiment. Raises what MLflow raises."""
    for name in _OF_EXPERIMENT & run.data.tags.keys() - tags.keys():
        store.client.delete_tag(run.info.run_id, name)
    _set_tags(store, run.info.run_id, tags)
    store.client.update_run(run.info.run_id, name=_run_name(origin, tags))


def complete(run: StoredRun, result: Result, stages: Sequence[str]) -> None:
    """Log what the run lacks of these stages' files, and mark the stages as finished.

    The run becomes FINISHED if all of STAGES are finished, otherwise SCHEDULED. The md5 sums of a stage's files become
    a tag, so that nothing is logged twice. Raises UserError for a file that cannot be read, and what MLflow raises.
    """
    client, run_id = run.store.client, run.run_id
    tags, changes = client.get_run(run_id).data.tags, {}
    for stage in stages:
        files = result.files(stage)
        digest = _digest([*files, result.folder / paths.MODEL])
        if tags.get(f"files.{stage}") != digest:
            _log_stage(run, result, stage)
            for path, folder in files.items():
                client.log_artifact(run_id, str(path), folder or None)
        changes |= {f"files.{stage}": digest, f"stage.{stage}": "finished"}
    if changes.items() <= tags.items():
        return  # the run is complete, and keeps its end time
    _set_tags(run.store, run_id, changes)
    if "reason" in tags:  # why an earlier attempt ended
        client.delete_tag(run_id, "reason")
    describe(client, run_id)
    if all((tags | changes).get(f"stage.{stage}") == "finished" for stage in STAGES):
        client.set_terminated(run_id, "FINISHED")
    else:
        client.update_run(run_id, status="SCHEDULED")


def log_diff(run: StoredRun, diff: bytes) -> None:
    """Log the diff of code and parameters to their commit. An empty one is logged only to replace an earlier one."""
    client = run.store.client
    if diff or (not run.is_new and any(file.path == _DIFF for file in client.list_artifacts(run.run_id))):
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / _DIFF).write_bytes(diff)
            client.log_artifacts(run.run_id, folder)


def log_epoch(run: StoredRun, history: EpochHistory) -> None:
    """Log an epoch's loss terms and speed by epoch, and the losses of its steps by step."""
    speed = _Point("speed/images_per_second", history.epoch.epoch, history.images_per_second)
    _log_points(run, [*_epoch_points([history.epoch], history.steps), speed])


def _run_name(origin: Origin, tags: dict[str, str]) -> str:
    return tags.get("dvc_experiment") or f"{origin.params.network}, kl_weight {origin.params.kl_weight:g}"


def _log_stage(run: StoredRun, result: Result, stage: str) -> None:
    if stage == "train":
        params = result.origin.params
        epochs = read_epochs(result.folder / paths.EPOCHS, params.epoch_count)
        steps = read_steps(result.folder / paths.STEPS, result.origin.steps)
        _log_points(run, _epoch_points(epochs, steps))
        _set_tags(run.store, run.run_id, json.loads((result.folder / paths.ENVIRONMENT).read_text("utf-8")))
        log_model(run.store, run.run_id, result.folder / paths.MODEL, result.folder / paths.PREPARED)
    elif stage == "evaluate":
        _log_points(run, _test_points(result.folder))
    else:
        # Tags may change when figures are drawn again; MLflow's params may not.
        figures = load_params(result.folder / paths.PARAMS).of_figures()
        _set_tags(run.store, run.run_id, {name: str(value) for name, value in figures.model_dump().items()})


def _epoch_points(epochs: Iterable[EpochRow], steps: Iterable[StepRow]) -> list[_Point]:
    """The points of epochs and steps, rounded to the nine digits of the history files."""
    points = [
        _Point(name.replace("_", "/", 1), row.epoch, float(f"{value:.9g}"))
        for row in epochs
        for name, value in row._asdict().items()
        if name != "epoch"
    ]
    return points + [_Point("train/step_loss", row.step, float(f"{row.loss:.9g}")) for row in steps]


def _test_points(folder: Path) -> list[_Point]:
    metrics = json.loads((folder / paths.METRICS).read_text("utf-8"))
    points = [_test_point(name, value) for name, value in metrics.items()]
    with (folder / paths.CLASSES).open(newline="", encoding="utf-8") as file:
        for number, row in enumerate(csv.DictReader(file)):
            label = _metric_part(row.pop("class"), number)
            points += [_Point(f"test/{name}/{label}", 0, float(value)) for name, value in row.items()]
    return points


def _test_point(name: str, value: float) -> _Point:
    """A number of metrics.json. Of the bounds on the likelihood, the numbers of samples are the steps of one curve."""
    bound = _BOUND.fullmatch(name)
    return _Point("test/nll_nats_by_samples", int(bound[1]), value) if bound else _Point(f"test/{name}", 0, value)


def _metric_part(name: str, number: int) -> str:
    """A class's name as a part of a metric's name.

    MLflow allows letters, digits, blanks and -_. in up to 250 characters. A name that is changed for this gets the
    number of its class, so that it stays different from the others.
    """
    plain = _NOT_IN_METRICS.sub("_", name)[:_LONGEST_CLASS]
    return name if plain == name else f"{number} {plain}"


def _log_points(run: StoredRun, points: Sequence[_Point]) -> None:
    """Log the points that the run lacks. MLflow would keep a second point for the same step.

    A test metric with another value is logged again, because it changes with the code that measures it. A training
    metric is not.
    """
    from mlflow.entities import Metric

    for name in {point.name for point in points} - run.logged.keys():
        history = sorted(run.store.client.get_metric_history(run.run_id, name), key=lambda metric: metric.timestamp)
        run.logged[name] = {metric.step: metric.value for metric in history}
    now = round(time.time() * 1000)
    missing = [
        Metric(point.name, point.value, now, point.step)
        for point in points
        if point.step not in run.logged[point.name]
        or (point.name.startswith("test/") and run.logged[point.name][point.step] != point.value)
    ]
    for start in range(0, len(missing), _METRICS_A_CALL):
        run.store.client.log_batch(run.run_id, metrics=missing[start : start + _METRICS_A_CALL])
    for metric in missing:
        run.logged[metric.key][metric.step] = metric.value


def _log_inputs(store: Store, run: "Run", origin: Origin) -> None:
    """Log the parameters and the data set that the run lacks."""
    from mlflow.entities import Dataset, DatasetInput, InputTag, Param

    params = {name: str(value) for name, value in origin.params.model_dump().items()}
    if missing := params.keys() - run.data.params.keys():
        store.client.log_batch(run.info.run_id, params=[Param(name, params[name]) for name in sorted(missing)])
    if not (run.inputs and run.inputs.dataset_inputs):
        # The path and md5 are those in dvc.lock: `dvc get`, or `dvc pull` at the commit in the tags, gets this file.
        source = json.dumps({"path": str(paths.PREPARED), "md5": origin.data_md5})
        data = Dataset(origin.params.dataset, origin.data_md5, "dvc", source)
        inputs = [DatasetInput(data, [InputTag("mlflow.data.context", "training")])]
        retry(lambda: store.client.log_inputs(run.info.run_id, inputs))


def _latest(store: Store, query: str) -> "Run | None":
    runs = store.client.search_runs([store.experiment_id], query, max_results=1, order_by=["start_time DESC"])
    return runs[0] if runs else None


def _set_tags(store: Store, run_id: str, tags: dict[str, str]) -> None:
    from mlflow.entities import RunTag

    store.client.log_batch(run_id, tags=[RunTag(name, value) for name, value in tags.items()])


def _digest(files: Iterable[Path]) -> str:
    return "-".join(file_md5(path)[:8] for path in files)
