"""One MLflow run for one execution of the pipeline, opened by its stages in turn."""

import json
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from mnist_vae.environment import Environment
from mnist_vae.history import EpochHistory
from mnist_vae.model_file import Origin
from mnist_vae.params import FigureParams
from mnist_vae.provenance import find_provenance
from mnist_vae.stage import StageError
from mnist_vae.tracking.store import Store, open_store

if TYPE_CHECKING:
    from mlflow.entities import Metric, Run

STAGES = ("train", "evaluate", "render")  # those that belong to a run, in their order
_METRICS_A_CALL = 1000  # MLflow refuses more
_LONGEST_TAG = 5000


class TrackedRun:
    """A run to enter results into, for one stage.

    Files are the truth and MLflow is their mirror: the first failure of MLflow is printed and ends this stage's
    tracking, and no method raises because of it.
    """

    def __init__(self, stage: str, find: Callable[[Store], str], root: Path):
        self._stage, self._store, self._run_id = stage, None, ""
        self._entered: dict[str, dict[int, set[float]]] = {}  # by metric and step, what the run had before
        self._attempt_opening(find, root)

    def log_epoch(self, history: EpochHistory, images_per_second: float) -> None:
        """Enter an epoch's terms by epoch, and the losses of its steps by step."""
        row = history.epoch
        points = [
            _point(name.replace("_", "/", 1), value, row.epoch)
            for name, value in row._asdict().items()
            if name != "epoch"
        ]
        points.append(_point("speed/images_per_second", images_per_second, row.epoch))
        points += [_point("train/step_loss", step.loss, step.step) for step in history.steps]
        self._log_points(points)

    def log_metrics(self, path: Path) -> None:
        """Enter the numbers of metrics.json, as test/NAME, or test/NAME/CLASS."""
        points = []
        for name, value in json.loads(path.read_text()).items():
            table = {f"/{key}": number for key, number in value.items()} if isinstance(value, dict) else {"": value}
            points += [_point(f"test/{name}{suffix}", number, 0) for suffix, number in table.items()]
        self._log_points(points)
        self.log_artifacts("", path)

    def log_artifacts(self, folder: str, *paths: Path) -> None:
        """Enter files as artifacts in a folder of the run, "" for the topmost."""
        for path in paths:
            self._attempt(lambda store, path=path: store.client.log_artifact(self._run_id, str(path), folder or None))

    def log_figure_params(self, params: FigureParams) -> None:
        """Enter the parameters of the figures, as tags: unlike params they may change, when figures are redrawn."""
        for name in FigureParams.model_fields:
            self._set_tag(name, str(getattr(params, name)))

    def begin(self) -> None:
        """Mark the run as running this stage."""
        self._set_tag(f"stage.{self._stage}", "running")
        self._attempt(lambda store: store.client.update_run(self._run_id, status="RUNNING"))

    def finish(self) -> None:
        """Mark this stage as finished, and the run as finished once all its stages are, else as waiting for them."""
        self._set_tag(f"stage.{self._stage}", "finished")
        self._attempt(self._close_finished)

    def stop(self, status: str, reason: str) -> None:
        """Mark the run as FAILED or KILLED in this stage, and why."""
        self._set_tag(f"stage.{self._stage}", status.lower())
        self._set_tag("reason", f"{self._stage}: {reason}"[:_LONGEST_TAG])
        self._attempt(lambda store: store.client.set_terminated(self._run_id, status))

    def _close_finished(self, store: Store) -> None:
        tags = store.client.get_run(self._run_id).data.tags
        if "reason" in tags:  # of an earlier try
            store.client.delete_tag(self._run_id, "reason")
        if all(tags.get(f"stage.{stage}") == "finished" for stage in STAGES):
            store.client.set_terminated(self._run_id, "FINISHED")
        else:
            store.client.update_run(self._run_id, status="SCHEDULED")

    def _log_points(self, points: list["Metric"]) -> None:
        def log(store: Store) -> None:
            missing = [point for point in points if not self._is_entered(store, point)]
            for start in range(0, len(missing), _METRICS_A_CALL):
                store.client.log_batch(self._run_id, metrics=missing[start : start + _METRICS_A_CALL])

        self._attempt(log)

    def _is_entered(self, store: Store, point: "Metric") -> bool:
        # MLflow would keep a second point for the same step. The course of training is what it is, but a test's number
        # changes with the code that measures it.
        if point.key not in self._entered:
            values = self._entered[point.key] = {}
            for old in store.client.get_metric_history(self._run_id, point.key):
                values.setdefault(old.step, set()).add(old.value)
        there = self._entered[point.key].get(point.step, set())
        return point.value in there if point.key.startswith("test/") else bool(there)

    def _set_tag(self, name: str, value: str) -> None:
        self._attempt(lambda store: store.client.set_tag(self._run_id, name, value))

    def _attempt_opening(self, find: Callable[[Store], str], root: Path) -> None:
        def opening(_: None) -> None:
            store = open_store(root)
            self._run_id = find(store)
            self._store = store

        self._guard(opening, None)

    def _attempt(self, action: Callable[[Store], object]) -> None:
        if self._store is not None:
            self._guard(action, self._store)

    def _guard(self, action: Callable[..., object], argument: Store | None) -> None:
        try:
            action(argument)
        except Exception as error:  # noqa: BLE001 (a tracking store can fail in any way; the training must not)
            self._store = None
            reason = " ".join(str(error).split())[:300]
            print(f"{self._stage}: MLflow failed, so this stage goes on without it: {reason}", flush=True)


@contextmanager
def track_training_run(root: Path, origin: Origin, environment: Environment) -> Iterator[TrackedRun]:
    """A new run, for the train stage, closed as its block ends: SCHEDULED for the next stages, FAILED or KILLED.

    If the latest run of the same training on this machine was not finished, it is that one, which goes on.
    """

    def find(store: Store) -> str:
        run = _latest_run(store, origin)
        if run and run.info.status != "FINISHED" and run.data.tags.get("host") == platform.node():
            return run.info.run_id
        return _create_run(store, origin, environment)

    with _tracked(TrackedRun("train", find, root)) as run:
        yield run


@contextmanager
def track_known_run(stage: str, root: Path, origin: Origin) -> Iterator[TrackedRun]:
    """The latest run with the model's fingerprint, or a new one if the store has none, closed as its block ends."""

    def find(store: Store) -> str:
        if run := _latest_run(store, origin):
            return run.info.run_id
        print(f"{stage}: MLflow has no run of this model; a new one is made, without the course of its training")
        return _create_run(store, origin, None)

    with _tracked(TrackedRun(stage, find, root)) as run:
        yield run


@contextmanager
def _tracked(run: TrackedRun) -> Iterator[TrackedRun]:
    run.begin()
    try:
        yield run
    except KeyboardInterrupt as interrupt:
        run.stop("KILLED", f"stopped by {'SIGTERM' if type(interrupt) is not KeyboardInterrupt else 'SIGINT'}")
        raise
    except BaseException as error:
        run.stop("FAILED", str(error) if isinstance(error, StageError) else f"{type(error).__name__}: {error}")
        raise
    run.finish()


def _latest_run(store: Store, origin: Origin) -> "Run | None":
    query = f"tags.fingerprint = '{origin.fingerprint}'"
    runs = store.client.search_runs([store.experiment_id], query, max_results=1, order_by=["start_time DESC"])
    return runs[0] if runs else None


def _create_run(store: Store, origin: Origin, environment: Environment | None) -> str:
    from mlflow.entities import Param, RunTag

    provenance = find_provenance(Path.cwd())
    params = origin.params.model_dump()
    tags = {"fingerprint": origin.fingerprint, "data_md5": origin.data_md5, **provenance._asdict()}
    tags |= environment._asdict() if environment else {}
    name = provenance.dvc_experiment or f"{origin.params.network}, kl_weight {origin.params.kl_weight:g}"
    run = store.client.create_run(store.experiment_id, run_name=name)
    store.client.log_batch(
        run.info.run_id,
        params=[Param(key, str(value)) for key, value in params.items()],
        tags=[RunTag(key, str(value)) for key, value in tags.items() if value],
    )
    return run.info.run_id


def _point(name: str, value: float, step: int) -> "Metric":
    from mlflow.entities import Metric

    return Metric(name, value, round(time.time() * 1000), step)
