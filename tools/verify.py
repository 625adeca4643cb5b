"""Run the last commit's pipeline again in a temporary clone, and compare the results with the committed ones.

It prints `identical`, `same within …` (other bytes, but the metrics differ by no more than rounding), or `different`
(exit code 1).
"""

import argparse
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from command import ROOT, run_command

import yaml

from clone import Clone
from experiments import git
from mnist_vae.common import paths
from mnist_vae.console.stage import UserError

# How much a metric may differ if the bytes differ, relative to the committed value. Rounding alone (other vector
# instructions, another number of threads) changed means over MNIST's test set by up to 0.21 %, another seed by 0.6 %.
ALLOWED, ALLOWED_OF_DIMENSIONS = 0.005, 0.02
EXACT = ("parameter_count", "effective_beta")
FILES = (Path("dvc.lock"), paths.METRICS, paths.ENVIRONMENT)


class Result(NamedTuple):
    """The md5 sums of the outputs by path, the numbers in metrics.json, and the environment."""

    outputs: Mapping[str, str]
    metrics: Mapping[str, float]
    environment: str


class Verdict(NamedTuple):
    """The verdict in one line, whether it is good, and lines with details."""

    line: str
    good: bool
    details: list[str]


def compare(committed: Result, here: Result) -> Verdict:
    """Compare the result of a second run with the committed one."""
    names = (committed.outputs.keys() | here.outputs.keys()) - {str(paths.ENVIRONMENT)}
    changed = sorted(name for name in names if committed.outputs.get(name) != here.outputs.get(name))
    details = [f"environment: {committed.environment} committed, {here.environment} here"]
    if not changed:
        return Verdict(
            f"identical: each of the {len(names)} outputs has the committed bytes", good=True, details=details
        )
    details.append(f"other bytes: {', '.join(changed)}")
    if str(paths.PREPARED) in changed:
        return Verdict("different: the prepared data differ", good=False, details=details)
    if committed.metrics.keys() != here.metrics.keys():
        return Verdict("different: metrics.json has other names", good=False, details=details)
    off = {name: _relative(value, here.metrics[name]) for name, value in committed.metrics.items()}
    details += [
        f"{name}: {committed.metrics[name]:.6g} committed, {here.metrics[name]:.6g} here, off by {off[name]:.3%}"
        f" ({_allowed(name):.1%} allowed)"
        for name in off
    ]
    if beyond := [name for name in off if off[name] > _allowed(name)]:
        return Verdict(f"different: {', '.join(beyond)} off by more than allowed", good=False, details=details)
    largest = max(off, key=lambda name: off[name])
    return Verdict(
        f"same within {off[largest]:.3%}: the largest difference is that of {largest}", good=True, details=details
    )


def _relative(committed: float, here: float) -> float:
    if here == committed:
        return 0.0
    return abs(here - committed) / abs(committed) if committed else float("inf")


def _allowed(name: str) -> float:
    if name in EXACT:
        return 0.0
    return ALLOWED_OF_DIMENSIONS if name == "active_dimensions" else ALLOWED


def read_result(lock: str, metrics: str, environment: str) -> Result:
    """The result from the contents of the three FILES."""
    outs = [out for stage in yaml.safe_load(lock)["stages"].values() for out in stage["outs"]]
    known = json.loads(environment)["environment"]
    return Result({out["path"]: out["md5"] for out in outs}, json.loads(metrics), known)


def committed_result(root: Path) -> Result:
    """The result in the last commit. Raises UserError if there is none."""
    try:
        return read_result(*(git(root, "show", f"HEAD:./{path}") for path in FILES))
    except UserError as error:
        raise UserError(f"{error}: commit the results of `dvc repro`, then start again") from None


def run_again(clone: Clone) -> Result:
    """Run the pipeline in a clone, print its output, and return its result. Raises UserError if it fails."""
    with clone.repro() as process:
        for line in process.stdout or ():
            print(line, end="", flush=True)
        if process.wait():
            raise UserError("the pipeline failed in the clone: see the lines above")
    return read_result(*((clone.folder / path).read_text("utf-8") for path in FILES))


def verify(root: Path) -> bool:
    """Run again, compare, print the verdict, and return whether it is good."""
    committed = committed_result(root)
    with tempfile.TemporaryDirectory() as folder:
        print("verify: running the pipeline of the last commit again, in a temporary clone", flush=True)
        verdict = compare(committed, run_again(Clone(root, Path(folder) / "clone", {})))
    print("\n".join(["", *(f"verify: {line}" for line in [*verdict.details, verdict.line])]))
    return verdict.good


def main() -> int:
    argparse.ArgumentParser(description=__doc__).parse_args()
    return 0 if verify(ROOT) else 1


if __name__ == "__main__":
    run_command(main)
