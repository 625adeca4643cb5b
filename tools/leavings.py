"""What a pipeline leaves behind: its files and its runs in MLflow."""

from typing import NamedTuple

from mlflow import MlflowClient
from mlflow.entities import Run

from clone import Clone

_VARYING = "speed/"  # metrics of the clock: of them only the steps count
_LOAD = "system/"  # the machine's load, every few seconds: a run of another length has others
_ARTIFACT_FOLDERS = ("", "figures", "history")


class Point(NamedTuple):
    """A point of a metric in MLflow; None for a value that varies with the clock."""

    step: int
    value: float | None


class TrackedResult(NamedTuple):
    """What a run in MLflow holds."""

    status: str
    params: dict[str, str]
    fingerprint: str
    points: dict[str, list[Point]]
    artifacts: list[str]


class Results(NamedTuple):
    """What a pipeline leaves: its lock, its files, and its runs in MLflow."""

    lock: str
    files: dict[str, bytes]
    runs: list[TrackedResult]

    def differences(self, other: "Results") -> list[str]:
        """The names of what is not the same."""
        names = sorted(self.files.keys() | other.files.keys())
        different = [name for name in names if self.files.get(name) != other.files.get(name)]
        return different + ["dvc.lock"] * (self.lock != other.lock) + ["MLflow"] * (self.runs != other.runs)


def results(clone: Clone) -> Results:
    """What the pipeline left in a clone."""
    roots = [clone.folder / name for name in ("data", "models", "reports")]
    files = [path for root in roots for path in sorted(root.rglob("*")) if path.is_file()]
    content = {str(path.relative_to(clone.folder)): path.read_bytes() for path in files}
    client = MlflowClient(f"sqlite:///{clone.folder}/mlflow.db")
    experiment = client.get_experiment_by_name("mnist-vae")
    runs = client.search_runs([experiment.experiment_id]) if experiment else []
    return Results(clone.lock(), content, [_tracked(client, run) for run in runs])


def _tracked(client: MlflowClient, run: Run) -> TrackedResult:
    points = {}
    for name in sorted(name for name in run.data.metrics if not name.startswith(_LOAD)):
        history = client.get_metric_history(run.info.run_id, name)
        points[name] = [Point(one.step, None if name.startswith(_VARYING) else one.value) for one in history]
    artifacts = [file.path for place in _ARTIFACT_FOLDERS for file in client.list_artifacts(run.info.run_id, place)]
    return TrackedResult(run.info.status, run.data.params, run.data.tags["fingerprint"], points, artifacts)
