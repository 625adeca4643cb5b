"""Entering what waits: each entry into its run, which is looked up or made once."""

from mnist_vae.tracking.entering import enter
from mnist_vae.tracking.entries import NewRun, Waiting
from mnist_vae.tracking.new_runs import create_run, find_run
from mnist_vae.tracking.store import Store, Target


class Delivery:
    """Enters into a store, for a stage. Raises what MLflow raises."""

    def __init__(self, store: Store, stage: str):
        self._stage = stage
        self._run: NewRun | None = None
        self.target = Target(store, "", {})

    def enter(self, waiting: Waiting) -> None:
        """Enter what waits into its run."""
        if waiting.run != self._run:
            self.target = self._open(waiting.run)
            self._run = waiting.run
        enter(waiting.entry, self.target)

    def _open(self, new: NewRun) -> Target:
        store = self.target.store
        run_id = find_run(store, new)
        if run_id is None:
            run_id = create_run(store, new)
            if new.reuse == "any":
                print(
                    f"{self._stage}: MLflow has no run of this model: a new one begins, which `make track` completes",
                    flush=True,
                )
        return Target(store, run_id, {})
