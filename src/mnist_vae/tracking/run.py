"""One MLflow run for one execution of the pipeline, opened by its stages in turn. A stage logs in its own process."""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mnist_vae.console.stage import Terminated, UserError, ignoring_sigterm, repository_root
from mnist_vae.model.file import Origin
from mnist_vae.tracking.backfill import STAGES, Result, StoredRun, complete, find_or_create_run, log_diff, log_epoch
from mnist_vae.tracking.orphans import RunLock, close_orphans, repository_id, stop
from mnist_vae.tracking.provenance import find_provenance, uncommitted_diff
from mnist_vae.tracking.store import open_store, reason_of

if TYPE_CHECKING:
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

    from mnist_vae.training.state import Training

Stage = Literal["train", "evaluate", "render"]


@contextmanager
def tracked_run(stage: Stage, origin: Origin) -> Iterator["TrackedRun"]:
    """Open the run of a model for one stage, and yield it. The run is also a training callback.

    At the end of the block, what the run lacks is logged from the files that the stages wrote. Then the run is FINISHED
    if train, evaluate and render are finished, otherwise SCHEDULED. If the block raises, the run is FAILED or KILLED,
    with a reason. A failure of MLflow prints one line and stops nothing: the next stage, or tools/sync.py, logs what is
    missing.
    """
    run = TrackedRun(stage, origin)
    try:
        run.start()
        yield run
        run.finish()
    except KeyboardInterrupt as interrupt:
        run.stop("KILLED", f"stopped by {'SIGTERM' if isinstance(interrupt, Terminated) else 'SIGINT'}")
        raise
    except BaseException as error:
        with ignoring_sigterm():
            run.stop("FAILED", str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}")
        raise


class TrackedRun:
    """A run to log into. No method raises because of MLflow."""

    def __init__(self, stage: Stage, origin: Origin):
        self._stage, self._root = stage, repository_root(Path.cwd())
        self._result = Result(Path(), origin)
        self._run: StoredRun | None = None
        self._lock: RunLock | None = None
        self._monitor: SystemMetricsMonitor | None = None
        self._failed = False

    def start(self) -> None:
        """Open the run and log the machine's load if this stage is train. The other stages log only at their end."""
        if self._stage == "train":
            self._attempt(self._watch_load)

    def on_step(self, training: "Training") -> None:
        """Do nothing: a step's loss is logged at the end of its epoch."""

    def on_epoch_end(self, training: "Training") -> None:
        """Log the epoch's loss terms and speed by epoch, and the losses of its steps by step."""
        self._attempt(lambda run: log_epoch(run, training.histories[-1]))

    def finish(self) -> None:
        """Complete the run from the files, and mark this stage as finished."""
        so_far = [stage for stage in STAGES[: STAGES.index(self._stage) + 1] if self._result.has(stage)]
        self._attempt(lambda run: complete(run, self._result, so_far))
        self._end()

    def stop(self, status: Literal["FAILED", "KILLED"], reason: str) -> None:
        """Mark the run as FAILED or KILLED in this stage, and log the reason."""
        self._attempt(lambda run: stop(run.store, run.run_id, self._stage, status, reason))
        self._end()

    def _end(self) -> None:
        # finish() waits for MLflow. After a failure of MLflow, the monitor is left to end with this process.
        if self._monitor and not self._failed:
            self._monitor.finish()
        self._monitor = None
        if self._lock:
            self._lock.release(settled=not self._failed)
            self._lock = None

    def _attempt(self, action: Callable[[StoredRun], None]) -> None:
        if self._failed:
            return
        try:
            self._run = self._run or self._open()
            action(self._run)
        except Exception as error:  # noqa: BLE001 (a tracking store can fail in any way; the training must not)
            self._failed = True
            self._say(
                f"MLflow failed, so this stage continues without it: {reason_of(error)}; the next stage or"
                " tools/sync.py logs what is missing"
            )

    def _open(self) -> StoredRun:
        store = open_store(self._root)
        self._lock = RunLock(self._root, self._result.origin.fingerprint, self._stage)
        tags = find_provenance(Path.cwd()).tags() | {"repository": repository_id(self._root)}
        is_training = self._stage == "train"
        run = find_or_create_run(store, self._result.origin, tags, for_training=is_training)
        close_orphans(store, self._root)
        store.client.set_tag(run.run_id, f"stage.{self._stage}", "running")
        store.client.update_run(run.run_id, status="RUNNING")
        if is_training:
            self._log_uncommitted(run)
        if os.environ.get("MLFLOW_RUN_ID"):
            self._say("MLFLOW_RUN_ID has no effect: each execution of the pipeline has a run of its own")
        return run

    def _log_uncommitted(self, run: StoredRun) -> None:
        uncommitted = uncommitted_diff(Path.cwd())
        if uncommitted.diff is None:
            self._say("Git failed, so the run has no uncommitted.diff")
        else:
            log_diff(run, uncommitted.diff)
        if uncommitted.left_out:
            self._say(f"uncommitted.diff lacks {', '.join(uncommitted.left_out)} (untracked, above 1 MiB): git add it")

    def _say(self, line: str) -> None:
        print(f"{self._stage}: {line}", flush=True)

    def _watch_load(self, run: StoredRun) -> None:
        """Log the machine's load while a training runs: processor, memory, GPU, disk, network.

        The load is in no file, so it cannot be logged later.
        """
        from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

        # A failure of MLflow is noticed and reported when the results are logged.
        logging.getLogger("mlflow.system_metrics").setLevel(logging.CRITICAL)
        address = run.store.client.tracking_uri
        self._monitor = SystemMetricsMonitor(run.run_id, resume_logging=True, tracking_uri=address)
        self._monitor.start()
