"""The load of the machine while a training runs, as MLflow measures it: processor, memory, GPU, disk, network."""

import logging
from typing import TYPE_CHECKING

from mnist_vae.tracking.store import Store

if TYPE_CHECKING:
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor


class SystemLoad:
    """Enters system/... into a run, every MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL seconds, by default 10.

    Unlike results it is in no file: what is not entered while it is measured is not entered later.
    """

    def __init__(self, store: Store):
        self._store = store
        self._monitor: SystemMetricsMonitor | None = None

    def start(self, run_id: str) -> None:
        """Measure from now on."""
        from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

        # Whether MLflow fails is seen, and said, where the results are entered.
        logging.getLogger("mlflow.system_metrics").setLevel(logging.CRITICAL)
        if self._monitor is None:
            self._monitor = SystemMetricsMonitor(
                run_id, resume_logging=True, tracking_uri=self._store.client.tracking_uri
            )
            self._monitor.start()

    def finish(self) -> None:
        """Measure no longer."""
        if self._monitor is not None:
            self._monitor.finish()
            self._monitor = None
