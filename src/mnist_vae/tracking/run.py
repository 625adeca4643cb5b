"""One MLflow run for one execution of the pipeline, opened by its stages in turn."""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from mnist_vae.common.params import FigureParams
from mnist_vae.console.stage import UserError
from mnist_vae.data.history import EpochHistory
from mnist_vae.data.prepared import Split
from mnist_vae.model.file import Origin
from mnist_vae.tracking.entries import (
    BeginStage,
    EnterArtifact,
    EnterPoints,
    Entry,
    FinishStage,
    NewRun,
    Point,
    SetTags,
    StopStage,
)
from mnist_vae.tracking.liveness import hold, let_go
from mnist_vae.tracking.model_entry import model_entries
from mnist_vae.tracking.naming import new_run
from mnist_vae.tracking.outbox import Outbox
from mnist_vae.tracking.points import course_points, metric_points
from mnist_vae.tracking.provenance import uncommitted_diff
from mnist_vae.tracking.recorder_process import RecorderProcess


class TrackedRun:
    """A run to enter results into, for one stage.

    Files are the truth and MLflow is their mirror: what a stage enters goes into the outbox, from where a process of
    its own enters it into MLflow, while the stage goes on; or later, if MLflow fails. No method raises because of it.
    """

    def __init__(self, recorder: RecorderProcess, new: NewRun):
        self._recorder, self._stage, self._new = recorder, recorder.stage, new
        self._outbox = Outbox(recorder.root, new.tags["fingerprint"])
        self._lock = None
        self._lost = False
        self._guard(self._begin)

    def settle(self) -> None:
        """Wait until the recorder has imported MLflow and opened the store, three seconds at most.

        Threads of torch on all cores, which wait for each other at every step, lose more time beside it than that.
        """
        self._recorder.settle()

    def log_epoch(self, history: EpochHistory, images_per_second: float) -> None:
        """Enter an epoch's terms by epoch, and the losses of its steps by step."""
        at = _now()
        speed = Point(name="speed/images_per_second", value=images_per_second, step=history.epoch.epoch, at=at)
        points = [*course_points([history.epoch], history.steps, at), speed]
        self._enter(EnterPoints(points=points))

    def log_model(self, path: Path, images: Split) -> None:
        """Enter the model, with a few of the images to show what it takes, and the md5 sum of its file."""
        for entry in model_entries(path, images):
            self._enter(entry)

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
            self._enter(EnterArtifact(folder=folder, path=path))

    def log_figure_params(self, params: FigureParams) -> None:
        """Enter the parameters of the figures, as tags: unlike params they may change, when figures are redrawn."""
        self._enter(SetTags(tags=figure_tags(params)))

    def finish(self) -> None:
        """Mark this stage as finished, and the run as finished once all its stages are, else as waiting for them."""
        self._enter(FinishStage(stage=self._stage, at=_now()))
        self._end()

    def stop(self, status: Literal["FAILED", "KILLED"], reason: str) -> None:
        """Mark the run as FAILED or KILLED in this stage, and why."""
        self._enter(StopStage(stage=self._stage, status=status, reason=reason, at=_now()))
        self._end()

    def _begin(self) -> None:
        fingerprint, waited = self._new.tags["fingerprint"], len(self._outbox)
        self._lock = hold(self._recorder.root, fingerprint, self._stage)
        self._outbox.add(BeginStage(stage=self._stage), self._new)
        self._recorder.begin(fingerprint, waited)

    def _enter(self, entry: Entry) -> None:
        self._guard(lambda: self._outbox.add(entry, self._new))
        self._recorder.wake()

    def _guard(self, action: Callable[[], None]) -> None:
        try:
            action()
        except OSError as error:  # such as a full disk
            if not self._lost:
                print(
                    f"{self._stage}: what MLflow is to have cannot be kept ({error.strerror}), so this stage goes on"
                    " without it; `make track` enters results",
                    flush=True,
                )
            self._lost = True

    def _end(self) -> None:
        if self._lock is not None:
            let_go(self._lock)
        if not self._recorder.close():
            print(f"{self._stage}: MLflow is slow; what it lacks is kept for a later stage or `make track`", flush=True)


@contextmanager
def track_training_run(recorder: RecorderProcess, origin: Origin, environment: str) -> Iterator[TrackedRun]:
    """A new run, for the train stage, closed as its block ends: SCHEDULED for the next stages, FAILED or KILLED.

    If the latest run of the same training in this repository was not finished, it is that one, which goes on.
    """
    with _tracked(TrackedRun(recorder, new_run(recorder.root, origin, environment, reuse="unfinished"))) as run:
        run.log_diff(uncommitted_diff(Path.cwd()))
        yield run


@contextmanager
def track_known_run(recorder: RecorderProcess, origin: Origin) -> Iterator[TrackedRun]:
    """The latest run with the model's fingerprint, or a new one if the store has none, closed as its block ends."""
    with _tracked(TrackedRun(recorder, new_run(recorder.root, origin, None, reuse="any"))) as run:
        yield run


@contextmanager
def _tracked(run: TrackedRun) -> Iterator[TrackedRun]:
    try:
        yield run
    except KeyboardInterrupt as interrupt:
        run.stop("KILLED", f"stopped by {'SIGTERM' if type(interrupt) is not KeyboardInterrupt else 'SIGINT'}")
        raise
    except BaseException as error:
        run.stop("FAILED", str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}")
        raise
    run.finish()


def figure_tags(params: FigureParams) -> dict[str, str]:
    """The parameters of the figures as tags."""
    return {name: str(getattr(params, name)) for name in FigureParams.model_fields}


def _now() -> int:
    return round(time.time() * 1000)
