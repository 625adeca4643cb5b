"""What a run is told: each entry can be kept in a file until MLflow takes it, and taken twice does no harm."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

STAGES = ("train", "evaluate", "render")  # those that belong to a run, in their order


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")


class Point(_Frozen):
    """A metric's value at a step, and when it was measured, in milliseconds since 1970."""

    name: str
    value: float
    step: int
    at: int


class EnterPoints(_Frozen):
    """Points of metrics, of which those that the run has already are left out."""

    kind: Literal["points"] = "points"
    points: list[Point]


class EnterArtifact(_Frozen):
    """A file, in a folder of the run, "" for the topmost."""

    kind: Literal["artifact"] = "artifact"
    folder: str
    path: Path


class EnterModel(_Frozen):
    """The model's file, the package whose code loads it, and images to show what it takes, as rows of grey levels."""

    kind: Literal["model"] = "model"
    path: Path
    package: Path
    example: list[list[int]]
    md5: str


class SetTags(_Frozen):
    """Tags, which replace those of the same names."""

    kind: Literal["tags"] = "tags"
    tags: dict[str, str]


class BeginStage(_Frozen):
    """The run is running a stage."""

    kind: Literal["begin"] = "begin"
    stage: str


class FinishStage(_Frozen):
    """A stage is finished; the run is once all its stages are, and waits for them else."""

    kind: Literal["finish"] = "finish"
    stage: str
    at: int


class StopStage(_Frozen):
    """A stage ended otherwise: FAILED or KILLED, and why."""

    kind: Literal["stop"] = "stop"
    stage: str
    status: Literal["FAILED", "KILLED"]
    reason: str
    at: int


Entry = EnterPoints | EnterArtifact | EnterModel | SetTags | BeginStage | FinishStage | StopStage


class Data(_Frozen):
    """The prepared data: the data set's name, and the md5 sum by which dvc.lock knows the file."""

    name: str
    md5: str


class NewRun(_Frozen):
    """What a run is created with, unless the latest one with its fingerprint is to be used again: an "unfinished" one
    of this repository, or "any", if need be that of another repository.
    """

    reuse: Literal["unfinished", "any"]
    name: str
    params: dict[str, str]
    tags: dict[str, str]
    data: Data
    at: int


class Waiting(_Frozen):
    """An entry, and the run that it is for."""

    run: NewRun
    entry: Annotated[Entry, Field(discriminator="kind")]
