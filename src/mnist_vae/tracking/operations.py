"""What is entered into a run: each entry can be kept in a file, and doing it twice does no harm."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from mlflow import MlflowClient

STAGES = ("train", "evaluate", "render")  # those that belong to a run, in their order
_METRICS_A_CALL = 1000  # MLflow refuses more
_LONGEST_TAG = 5000


class Target(NamedTuple):
    """The run that is entered into, and by metric and step the values that it has, as far as they were looked up."""

    client: "MlflowClient"
    run_id: str
    entered: dict[str, dict[int, set[float]]]


class _Operation(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Point(_Operation):
    """A metric's value at a step, and when it was measured, in milliseconds since 1970."""

    name: str
    value: float
    step: int
    at: int


class EnterPoints(_Operation):
    """Points of metrics, of which those that the run has already are left out."""

    kind: Literal["points"] = "points"
    points: list[Point]

    def apply(self, target: Target) -> None:
        from mlflow.entities import Metric

        missing = [Metric(one.name, one.value, one.at, one.step) for one in self.points if not _has(target, one)]
        for start in range(0, len(missing), _METRICS_A_CALL):
            target.client.log_batch(target.run_id, metrics=missing[start : start + _METRICS_A_CALL])
        for one in missing:
            target.entered[one.key].setdefault(one.step, set()).add(one.value)


class EnterArtifact(_Operation):
    """A file, in a folder of the run, "" for the topmost."""

    kind: Literal["artifact"] = "artifact"
    folder: str
    path: Path

    def apply(self, target: Target) -> None:
        target.client.log_artifact(target.run_id, str(self.path), self.folder or None)


class SetTags(_Operation):
    """Tags, which replace those of the same names."""

    kind: Literal["tags"] = "tags"
    tags: dict[str, str]

    def apply(self, target: Target) -> None:
        from mlflow.entities import RunTag

        target.client.log_batch(target.run_id, tags=[RunTag(*one) for one in self.tags.items()])


class BeginStage(_Operation):
    """The run is running a stage."""

    kind: Literal["begin"] = "begin"
    stage: str

    def apply(self, target: Target) -> None:
        target.client.set_tag(target.run_id, f"stage.{self.stage}", "running")
        target.client.update_run(target.run_id, status="RUNNING")


class FinishStage(_Operation):
    """A stage is finished; the run is once all its stages are, and waits for them else."""

    kind: Literal["finish"] = "finish"
    stage: str
    at: int

    def apply(self, target: Target) -> None:
        client = target.client
        client.set_tag(target.run_id, f"stage.{self.stage}", "finished")
        tags = client.get_run(target.run_id).data.tags
        if "reason" in tags:  # of an earlier try
            client.delete_tag(target.run_id, "reason")
        if all(tags.get(f"stage.{stage}") == "finished" for stage in STAGES):
            client.set_terminated(target.run_id, "FINISHED", self.at)
        else:
            client.update_run(target.run_id, status="SCHEDULED")


class StopStage(_Operation):
    """A stage ended otherwise: FAILED or KILLED, and why."""

    kind: Literal["stop"] = "stop"
    stage: str
    status: Literal["FAILED", "KILLED"]
    reason: str
    at: int

    def apply(self, target: Target) -> None:
        target.client.set_tag(target.run_id, f"stage.{self.stage}", self.status.lower())
        target.client.set_tag(target.run_id, "reason", f"{self.stage}: {self.reason}"[:_LONGEST_TAG])
        target.client.set_terminated(target.run_id, self.status, self.at)


class NewRun(_Operation):
    """What a run is created with, unless the latest one with its fingerprint is to be used again: "any" of them, or an
    "unfinished" one of this machine.
    """

    reuse: Literal["unfinished", "any"]
    name: str
    params: dict[str, str]
    tags: dict[str, str]
    at: int

    def create(self, client: "MlflowClient", experiment_id: str) -> str:
        """Create the run, and return its id."""
        from mlflow.entities import Param, RunTag

        run = client.create_run(experiment_id, self.at, run_name=self.name)
        client.log_batch(
            run.info.run_id,
            params=[Param(*one) for one in self.params.items()],
            tags=[RunTag(*one) for one in self.tags.items()],
        )
        return run.info.run_id


Entry = EnterPoints | EnterArtifact | SetTags | BeginStage | FinishStage | StopStage


class Waiting(_Operation):
    """An entry that could not be made, and the run that it is for."""

    run: NewRun
    entry: Annotated[Entry, Field(discriminator="kind")]


def _has(target: Target, point: Point) -> bool:
    # MLflow would keep a second point for the same step. The course of training is what it is, but a test's number
    # changes with the code that measures it.
    if point.name not in target.entered:
        values = target.entered[point.name] = {}
        for old in target.client.get_metric_history(target.run_id, point.name):
            values.setdefault(old.step, set()).add(old.value)
    there = target.entered[point.name].get(point.step, set())
    return point.value in there if point.name.startswith("test/") else bool(there)
