"""Run the committed configuration again, in a temporary clone, and compare what comes with what is committed."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import yaml

from clone import Clone
from mnist_vae.console.stage import UserError
from presets import ROOT

# How far a metric may be off where the bytes differ, relative to the committed value. Rounding alone moved means over
# MNIST's test set by up to 0.21 %, means of a class by up to 0.86 % (other vector instructions, another number of
# threads); another seed moves them by up to 0.6 % and 4.4 %.
OF_ALL, OF_A_CLASS, OF_DIMENSIONS = 0.005, 0.02, 0.02
EXACT = ("parameter_count", "effective_beta", "elbo_gaussian_variance")
_ENVIRONMENT, _METRICS, _DATA = "reports/environment.json", "reports/metrics.json", "data/prepared.safetensors"


class Result(NamedTuple):
    """The md5 sums of the outputs, by path; the numbers of metrics.json and the parts of environment.json, by name."""

    outputs: Mapping[str, str]
    metrics: Mapping[str, float]
    environment: Mapping[str, str]


class Difference(NamedTuple):
    """A metric of the committed run and of this one, and by how much it may be off relatively."""

    name: str
    committed: float
    here: float
    allowed: float

    @property
    def relative(self) -> float:
        if self.here == self.committed:
            return 0.0
        return abs(self.here - self.committed) / abs(self.committed) if self.committed else float("inf")


class Verdict(NamedTuple):
    """The one line, whether it is a good one, and the lines that go with it."""

    line: str
    good: bool
    details: list[str]


def compare(committed: Result, here: Result) -> Verdict:
    """What a second run's result says about the committed one."""
    changed = sorted(
        path
        for path in committed.outputs.keys() | here.outputs.keys()
        if path != _ENVIRONMENT and committed.outputs.get(path) != here.outputs.get(path)
    )
    parts = _environment_lines(committed.environment, here.environment)
    if not changed:
        same = f"identical: each of the {len(here.outputs) - 1} outputs has the committed bytes"
        return Verdict(same, good=True, details=parts)
    details = [f"other bytes: {', '.join(changed)}", *parts]
    if committed.metrics.keys() != here.metrics.keys() or _DATA in changed:
        what = "the prepared data differ" if _DATA in changed else "the metrics have other names"
        return Verdict(f"different: {what}", good=False, details=details)
    worst = worst_of_each_kind(committed.metrics, here.metrics)
    details += [
        f"{one.name}: {one.committed:.6g} committed, {one.here:.6g} here, off by {one.relative:.3%}"
        f" ({one.allowed:.1%} allowed)"
        for one in worst
    ]
    largest = max(worst, key=lambda one: one.relative)
    if beyond := [one.name for one in worst if one.relative > one.allowed]:
        return Verdict(f"different: {', '.join(beyond)} off by more than allowed", good=False, details=details)
    return Verdict(f"same within {largest.relative:.3%}, the largest of {largest.name}", good=True, details=details)


def _environment_lines(committed: Mapping[str, str], here: Mapping[str, str]) -> list[str]:
    different = [name for name in committed.keys() | here.keys() if committed.get(name) != here.get(name)]
    lines = [f"{name}: {committed.get(name)!r} committed, {here.get(name)!r} here" for name in sorted(different)]
    return lines or ["same device, threads, processor, vector instructions and torch as recorded with the run"]


def worst_of_each_kind(committed: Mapping[str, float], here: Mapping[str, float]) -> list[Difference]:
    """Each metric's difference; of those by class, the largest of each kind."""
    worst: dict[str, Difference] = {}
    for name, value in committed.items():
        kind = name.partition("/")[0]
        difference = Difference(name, value, here[name], _allowed(name))
        if kind not in worst or difference.relative > worst[kind].relative:
            worst[kind] = difference
    return list(worst.values())


def _allowed(name: str) -> float:
    if name in EXACT:
        return 0.0
    if name == "active_latent_dimensions":
        return OF_DIMENSIONS
    return OF_A_CLASS if "/" in name else OF_ALL


def read_result(lock: str, metrics: str, environment: str) -> Result:
    """The result in the contents of three files."""
    outs = [out for stage in yaml.safe_load(lock)["stages"].values() for out in stage["outs"]]
    return Result(
        {out["path"]: out["md5"] for out in outs}, dict(_numbers(json.loads(metrics))), json.loads(environment)
    )


def _numbers(metrics: dict) -> Iterator[tuple[str, float]]:
    for name, value in metrics.items():
        if isinstance(value, dict):
            yield from ((f"{name}/{key}", number) for key, number in value.items())
        else:
            yield name, value


def committed_result(root: Path) -> Result:
    """The result in the last commit. Raises UserError if there is none."""
    contents = []
    for name in ("dvc.lock", _METRICS, _ENVIRONMENT):
        shown = subprocess.run(["git", "show", f"HEAD:{name}"], cwd=root, capture_output=True, text=True, check=False)
        if shown.returncode:
            raise UserError(f"the last commit has no {name}: commit what `dvc repro` made, then verify it")
        contents.append(shown.stdout)
    return read_result(*contents)


def run_again(clone: Clone) -> Result:
    """The result of the pipeline in a clone, whose lines are printed. Raises UserError if it fails."""
    with clone.repro() as process:
        for line in process.stdout or ():
            print(line, end="", flush=True)
        if process.wait():
            raise UserError("the pipeline failed")
    contents = [(clone.folder / name).read_text() for name in (_METRICS, _ENVIRONMENT)]
    return read_result(clone.lock(), *contents)


def main(root: Path) -> int:
    committed = committed_result(root)
    with tempfile.TemporaryDirectory() as folder:
        print("verify: runs the last commit's configuration again, in a temporary clone", flush=True)
        verdict = compare(committed, run_again(Clone(root, Path(folder) / "clone", {})))
    print()
    for line in verdict.details:
        print(f"verify: {line}")
    print(f"verify: {verdict.line}")
    return 0 if verdict.good else 1


if __name__ == "__main__":
    try:
        sys.exit(main(ROOT))
    except UserError as error:
        sys.exit(f"verify: {error}")
