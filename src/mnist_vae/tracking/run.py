"""One MLflow run for one execution of the pipeline, opened by its stages in turn."""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from filelock import FileLock

from mnist_vae.environment import Environment
from mnist_vae.history import EpochHistory
from mnist_vae.model_file import Origin
from mnist_vae.params import FigureParams
from mnist_vae.provenance import uncommitted_diff
from mnist_vae.stage import StageError, without_password
from mnist_vae.tracking.liveness import close_dead_runs, hold, let_go
from mnist_vae.tracking.naming import new_run
from mnist_vae.tracking.operations import (
    BeginStage,
    EnterArtifact,
    EnterPoints,
    Entry,
    FinishStage,
    NewRun,
    Point,
    SetTags,
    StopStage,
    Target,
    Waiting,
)
from mnist_vae.tracking.outbox import Outbox
from mnist_vae.tracking.points import course_points, metric_points
from mnist_vae.tracking.store import Store, find_or_create, find_run, open_store
from mnist_vae.whole_file import file_md5


class TrackedRun:
    """A run to enter results into, for one stage.

    Files are the truth and MLflow is their mirror: the first failure of MLflow is printed, and from then on what this
    stage enters is kept in the outbox, for a later stage or `make track`. No method raises because of it.
    """

    def __init__(self, stage: str, root: Path, new: NewRun):
        self._stage, self._new, self._outbox = stage, new, Outbox(root, new.tags["fingerprint"])
        self._target: Target | None = None
        self._lock: FileLock | None = None
        self._lost = False
        self._guard(lambda: self._open(root))
        self._enter(BeginStage(stage=stage))

    def log_epoch(self, history: EpochHistory, images_per_second: float) -> None:
        """Enter an epoch's terms by epoch, and the losses of its steps by step."""
        at = _now()
        speed = Point(name="speed/images_per_second", value=images_per_second, step=history.epoch.epoch, at=at)
        points = [*course_points([history.epoch], history.steps, at), speed]
        self._enter(EnterPoints(points=points))

    def log_model_file(self, path: Path) -> None:
        """Enter the md5 sum of the model's file, by which dvc.lock knows it."""
        self._enter(SetTags(tags={"model_md5": file_md5(path)}))

    def log_diff(self, diff: str) -> None:
        """Enter by what the code and the parameters differed from their commit, if they did."""
        if diff:
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder) / "uncommitted.diff"
                file.write_text(f"{diff}\n")
                self.log_artifacts("", file)

    def log_metrics(self, path: Path) -> None:
        """Enter the numbers of metrics.json, as test/NAME, or test/NAME/CLASS, and the file."""
        self._enter(EnterPoints(points=metric_points(path, _now())))
        self.log_artifacts("", path)

    def log_artifacts(self, folder: str, *paths: Path) -> None:
        """Enter files as artifacts in a folder of the run, "" for the topmost."""
        for path in paths:
            self._enter(EnterArtifact(folder=folder, path=path.resolve()))

    def log_figure_params(self, params: FigureParams) -> None:
        """Enter the parameters of the figures, as tags: unlike params they may change, when figures are redrawn."""
        self._enter(SetTags(tags={name: str(getattr(params, name)) for name in FigureParams.model_fields}))

    def finish(self) -> None:
        """Mark this stage as finished, and the run as finished once all its stages are, else as waiting for them."""
        self._enter(FinishStage(stage=self._stage, at=_now()))
        self._let_go()

    def stop(self, status: Literal["FAILED", "KILLED"], reason: str) -> None:
        """Mark the run as FAILED or KILLED in this stage, and why."""
        self._enter(StopStage(stage=self._stage, status=status, reason=reason, at=_now()))
        self._let_go()

    def _open(self, root: Path) -> None:
        store = open_store(root)
        close_dead_runs(store, root)
        if entries := deliver(self._outbox, store):
            print(f"{self._stage}: MLflow is back: {entries} entries that had waited are in it", flush=True)
        run_id = find_run(store, self._new)
        if run_id is None:
            run_id = self._new.create(store.client, store.experiment_id)
            if self._new.reuse == "any":
                print(f"{self._stage}: MLflow has no run of this model: a new one begins, which `make track` completes")
        self._lock = hold(root, run_id, self._stage)
        self._target = Target(store.client, run_id, {})
        self._new = self._new.model_copy(update={"reuse": "any"})  # from now on it is the latest one

    def _enter(self, entry: Entry) -> None:
        target = self._target
        if target is None or not self._guard(lambda: entry.apply(target)):
            self._keep(entry)

    def _keep(self, entry: Entry) -> None:
        try:
            self._outbox.add(entry, self._new)
        except OSError as error:  # such as a full disk, which may be why MLflow failed
            if not self._lost:
                print(f"{self._stage}: nor can it be kept ({error.strerror}); `make track` enters results", flush=True)
            self._lost = True

    def _guard(self, action: Callable[[], None]) -> bool:
        try:
            action()
        except Exception as error:  # noqa: BLE001 (a tracking store can fail in any way; the training must not)
            self._target = None
            print(
                f"{self._stage}: MLflow failed, so this stage goes on without it: {reason_of(error)}; what it enters is"
                " kept for a later stage or `make track`",
                flush=True,
            )
            return False
        return True

    def _let_go(self) -> None:
        if self._lock is not None:
            let_go(self._lock)


def deliver(outbox: Outbox, store: Store) -> int:
    """Enter what waits in an outbox. Returns how many entries there were; raises what MLflow raises."""
    run: NewRun | None = None
    target = Target(store.client, "", {})

    def enter(waiting: Waiting) -> None:
        nonlocal run, target
        if waiting.run != run:
            run, target = waiting.run, Target(store.client, find_or_create(store, waiting.run), {})
        waiting.entry.apply(target)

    return outbox.deliver(enter)


@contextmanager
def track_training_run(root: Path, origin: Origin, environment: Environment) -> Iterator[TrackedRun]:
    """A new run, for the train stage, closed as its block ends: SCHEDULED for the next stages, FAILED or KILLED.

    If the latest run of the same training on this machine was not finished, it is that one, which goes on.
    """
    with _tracked(TrackedRun("train", root, new_run(origin, environment, reuse="unfinished"))) as run:
        run.log_diff(uncommitted_diff(Path.cwd()))
        yield run


@contextmanager
def track_known_run(stage: str, root: Path, origin: Origin) -> Iterator[TrackedRun]:
    """The latest run with the model's fingerprint, or a new one if the store has none, closed as its block ends."""
    with _tracked(TrackedRun(stage, root, new_run(origin, None, reuse="any"))) as run:
        yield run


@contextmanager
def _tracked(run: TrackedRun) -> Iterator[TrackedRun]:
    try:
        yield run
    except KeyboardInterrupt as interrupt:
        run.stop("KILLED", f"stopped by {'SIGTERM' if type(interrupt) is not KeyboardInterrupt else 'SIGINT'}")
        raise
    except BaseException as error:
        run.stop("FAILED", str(error) if isinstance(error, StageError) else f"{type(error).__name__}: {error}")
        raise
    run.finish()


def reason_of(error: Exception) -> str:
    """What MLflow says, in a line, without a password that an address may hold."""
    return without_password(" ".join(str(error).split()))[:300]


def _now() -> int:
    return round(time.time() * 1000)
