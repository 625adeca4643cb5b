"""One MLflow run for one execution of the pipeline, opened by its stages in turn. A stage logs in its own process."""

import logging
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mnist_vae.console.stage import Terminated, UserError, repository_root
from mnist_vae.data.history import EpochHistory
from mnist_vae.model.file import Origin
from mnist_vae.tracking.backfill import STAGES, Result, complete, find_or_create_run, log_history
from mnist_vae.tracking.orphans import RunLock, close_orphans, repository_id
from mnist_vae.tracking.provenance import find_provenance, uncommitted_diff
from mnist_vae.tracking.store import Store, open_store, reason_of

if TYPE_CHECKING:
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

    from mnist_vae.training.state import Training

_LONGEST_TAG = 5000
Stage = Literal["train", "evaluate", "render"]


@contextmanager
def tracked_run(stage: Stage, origin: Origin) -> Iterator["TrackedRun"]:
    """The run of a model's training, for one stage; a callback of the training.

    At the end of its block what the run lacks is logged from the files that the stages wrote, and the run is FINISHED
    once train, evaluate and render are, else SCHEDULED; FAILED or KILLED, with a reason, if the block raises. Whatever
    MLflow fails at is told in one line and stops nothing: the next stage, or tools/sync.py, makes up for it.
    """
    run = TrackedRun(stage, origin)
    try:
        yield run
    except KeyboardInterrupt as interrupt:
        run.stop("KILLED", f"stopped by {'SIGTERM' if isinstance(interrupt, Terminated) else 'SIGINT'}")
        raise
    except BaseException as error:
        run.stop("FAILED", str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}")
        raise
    run.finish()


class TrackedRun:
    """A run to log into. No method raises because of MLflow."""

    def __init__(self, stage: Stage, origin: Origin):
        self._stage, self._root = stage, repository_root(Path.cwd())
        self._result = Result(Path(), origin)
        self._store: Store | None = None
        self._run_id = ""
        self._failed = False
        self._monitor: SystemMetricsMonitor | None = None
        self._lock = RunLock(self._root, origin.fingerprint, stage)
        if stage == "train":  # the others have nothing to log before they end
            self._attempt(self._watch_load)

    def on_step(self, training: "Training") -> None:
        """Nothing: a step's loss is logged with its epoch."""

    def on_epoch_end(self, training: "Training") -> None:
        """Log the terms of the epoch by epoch, the loss of its steps by step, and the speed."""
        self.log_epoch(training.histories[-1])

    def log_epoch(self, history: EpochHistory) -> None:
        """Log an epoch of the training."""
        self._attempt(lambda store: log_history(store, self._run_id, [history]))

    def finish(self) -> None:
        """Complete the run from the files, and mark this stage as finished."""
        self._stop_monitor()
        so_far = STAGES[: STAGES.index(self._stage) + 1]
        self._attempt(lambda store: complete(store, self._run_id, self._result, so_far))
        self._lock.release(settled=not self._failed)

    def stop(self, status: Literal["FAILED", "KILLED"], reason: str) -> None:
        """Mark the run as FAILED or KILLED in this stage, and why."""
        self._stop_monitor()
        self._attempt(lambda store: self._mark(store, status, f"{self._stage}: {reason}"[:_LONGEST_TAG]))
        self._lock.release(settled=not self._failed)

    def _mark(self, store: Store, status: str, reason: str) -> None:
        store.client.set_tag(self._run_id, f"stage.{self._stage}", status.lower())
        store.client.set_tag(self._run_id, "reason", reason)
        store.client.set_terminated(self._run_id, status, round(time.time() * 1000))

    def _attempt(self, action: Callable[[Store], None]) -> None:
        if self._failed:
            return
        try:
            if self._store is None:
                self._store = open_store(self._root)
                self._open(self._store)
            action(self._store)
        except Exception as error:  # noqa: BLE001 (a tracking store can fail in any way; the training must not)
            self._failed = True
            print(
                f"{self._stage}: MLflow failed, so this stage goes on without it: {reason_of(error)}; the next stage or"
                " tools/sync.py logs what is missing",
                flush=True,
            )

    def _open(self, store: Store) -> None:
        tags = find_provenance(Path.cwd()).tags() | {"repository": repository_id(self._root)}
        only_unfinished = self._stage == "train"  # a finished training that is run again is another execution
        self._run_id = find_or_create_run(store, self._result.origin, tags, only_unfinished=only_unfinished)
        close_orphans(store, self._root)
        store.client.set_tag(self._run_id, f"stage.{self._stage}", "running")
        store.client.update_run(self._run_id, status="RUNNING")
        if self._stage == "train":
            self._log_diff(store)

    def _log_diff(self, store: Store) -> None:
        """By what the code and the parameters differ from their commit, if they do."""
        if diff := uncommitted_diff(Path.cwd()):
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "uncommitted.diff"
                path.write_bytes(diff)
                store.client.log_artifact(self._run_id, str(path))

    def _watch_load(self, store: Store) -> None:
        """Log the load of the machine while a training runs: processor, memory, GPU, disk, network.

        Unlike results it is in no file: what is not logged while it is measured is lost.
        """
        from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

        # Whether MLflow fails is seen, and said, where the results are logged.
        logging.getLogger("mlflow.system_metrics").setLevel(logging.CRITICAL)
        self._monitor = SystemMetricsMonitor(self._run_id, resume_logging=True, tracking_uri=store.client.tracking_uri)
        self._monitor.start()

    def _stop_monitor(self) -> None:
        if self._monitor is not None:
            self._monitor.finish()
            self._monitor = None
