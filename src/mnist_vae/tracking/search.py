"""The run of a search, above the runs of its trials."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from mnist_vae.tracking.orphans import RunLock, close_orphans, repository_id
from mnist_vae.tracking.store import Store, open_store, reason_of

if TYPE_CHECKING:
    from mlflow.entities import Run

_PARENT = "mlflow.parentRunId"
_KEY = "study_key"
_STAGE = "search"


class TrialRun(NamedTuple):
    """A trial: the name of its experiment, and the md5 sum of its model, "" if it has no model."""

    experiment: str
    model_md5: str


class SearchRun:
    """The MLflow run of a study. All machines that work on the study share it, and find it by the study's unique key.

    No method raises because of MLflow: its failure is reported once, and the next start logs what is missing.
    """

    def __init__(self, root: Path, study: str, key: str):
        self._root, self._study, self._key = root, study, key
        self._store: Store | None = None
        self._failed = False
        self._lock = RunLock(root, key, _STAGE)
        self._attempt(self._begin)

    def link(self, trials: Sequence[TrialRun]) -> None:
        """Make the trials' runs children of this run, if they are not already."""
        self._attempt(lambda store: self._link(store, trials))

    def finish(self, number: int, value: float, experiment: str) -> None:
        """Mark the search as finished, with its best trial."""
        tags = {"best_trial": str(number), "best_value": f"{value:.9g}", "dvc_apply": f"dvc exp apply {experiment}"}
        self._end("FINISHED", tags)

    def stop(self, status: Literal["FAILED", "KILLED"], reason: str) -> None:
        """Mark the search as FAILED or KILLED, and log the reason."""
        self._end(status, {"reason": reason[:5000]})

    def _begin(self, store: Store) -> None:
        close_orphans(store, self._root)
        run = self._find(store)
        for name in {"reason", f"stage.{_STAGE}"} & run.data.tags.keys():  # from an earlier attempt
            store.client.delete_tag(run.info.run_id, name)
        if run.info.status != "RUNNING":  # also if another machine's part was stopped
            store.client.update_run(run.info.run_id, status="RUNNING")

    def _find(self, store: Store) -> "Run":
        """The study's run, created if it does not exist.

        If several machines created one at the same time, the earliest stays, gets the others' children, and the others
        are deleted.
        """
        if not (parents := self._parents(store)):
            # close_orphans uses fingerprint and repository to find the run if its process dies, like a stage's run.
            tags = {_KEY: self._key, "study": self._study, "fingerprint": self._key}
            tags["repository"] = repository_id(self._root)
            store.client.create_run(store.experiment_id, tags=tags, run_name=self._study)
            parents = self._parents(store)
        for other in parents[1:]:
            for child in _children(store, other.info.run_id):
                store.client.set_tag(child.info.run_id, _PARENT, parents[0].info.run_id)
            store.client.delete_run(other.info.run_id)
        return parents[0]

    def _parents(self, store: Store) -> list["Run"]:
        runs = store.client.search_runs([store.experiment_id], f"tags.{_KEY} = '{self._key}'")
        return sorted(runs, key=lambda run: (run.info.start_time, run.info.run_id))

    def _link(self, store: Store, trials: Sequence[TrialRun]) -> None:
        parent = self._find(store).info.run_id
        linked = {run.data.tags.get("dvc_experiment") for run in _children(store, parent)}
        for trial in trials:
            if trial.experiment not in linked:
                for run in _runs_of(store, trial):
                    store.client.set_tag(run.info.run_id, _PARENT, parent)

    def _end(self, status: str, tags: dict[str, str]) -> None:
        def end(store: Store) -> None:
            run_id = self._find(store).info.run_id
            for name, value in tags.items():
                store.client.set_tag(run_id, name, value)
            store.client.set_terminated(run_id, status)

        self._attempt(end)
        self._lock.release(settled=not self._failed)

    def _attempt(self, action: Callable[[Store], None]) -> None:
        try:
            self._store = self._store or open_store(self._root)
            action(self._store)
        except Exception as error:  # noqa: BLE001 (a tracking store can fail in any way; the search must not)
            if not self._failed:
                print(
                    f"{self._study}: MLflow failed, so the search continues without it: {reason_of(error)}; the next"
                    " start of the search logs what is missing",
                    flush=True,
                )
            self._failed = True


def _runs_of(store: Store, trial: TrialRun) -> list["Run"]:
    # A trial that DVC restored from its run cache made no run. The run that made its model is used instead.
    queries = [f"tags.dvc_experiment = '{trial.experiment}'"]
    queries += [f"tags.model_md5 = '{trial.model_md5}'"] if trial.model_md5 else []
    for query in queries:
        runs = store.client.search_runs([store.experiment_id], query)
        if free := [run for run in runs if _PARENT not in run.data.tags]:  # others belong to another study
            return free
    return []


def _children(store: Store, parent: str) -> list["Run"]:
    return list(store.client.search_runs([store.experiment_id], f"tags.`{_PARENT}` = '{parent}'", max_results=10_000))
