"""The presets of presets.yaml as DVC experiments: `presets.py list`, or `presets.py run NAME`."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import yaml

from experiments import git, params_in, stages_of
from mnist_vae.common.params import Params, check_params, load_params
from mnist_vae.console.stage import UserError

ROOT = Path(__file__).parent.parent


class Preset(NamedTuple):
    """A name, the parameters in which it differs from params.yaml, and all of its parameters."""

    name: str
    changes: dict
    params: Params

    def command(self) -> list[str]:
        """The command that runs it as an experiment of its name."""
        settings = [f"{key}={json.dumps(value, separators=(',', ':'))}" for key, value in self.changes.items()]
        return ["dvc", "exp", "run", "--name", self.name, *(part for one in settings for part in ("-S", one))]

    def line(self) -> str:
        """The command as one types it."""
        return " ".join(f"'{part}'" if "[" in part else part for part in self.command()).replace('"', "")


class Result(NamedTuple):
    """A preset's finished experiment: the commit that holds it, and the numbers of its metrics.json."""

    preset: Preset
    commit: str
    metrics: dict


def load_presets(root: Path) -> list[Preset]:
    """All presets. Raises UserError for one that is no valid change of params.yaml."""
    base = load_params(root / "params.yaml").model_dump()
    presets = yaml.safe_load((root / "presets.yaml").read_text())
    return [make_preset(name, changes, base, f"presets.yaml: {name}") for name, changes in presets.items()]


def make_preset(name: str, changes: dict, base: dict, source: str) -> Preset:
    """The preset that changes the parameters `base`. Raises UserError, with the source, if that is not valid."""
    params = check_params(base | changes, source)
    for key, value in changes.items():
        for number in value if isinstance(value, list) else [value]:
            # DVC writes 1e-05 into params.yaml, which to PyYAML is text; 1.5e-05 it reads.
            if isinstance(number, float) and "e" in repr(number) and "." not in repr(number):
                raise UserError(
                    f"{source}: {key} is {number}, which DVC cannot hand on: take another digit, as 1.01e-05"
                )
    return Preset(name, changes, params)


def find_result(preset: Preset, root: Path) -> Result | None:
    """The finished experiment of that name on the commit that is checked out, if it has the preset's parameters and the
    code that is there now.
    """
    head = git(root, "rev-parse", "HEAD")
    commit = git(root, "rev-parse", "--verify", "--quiet", f"refs/exps/{head[:2]}/{head[2:]}/{preset.name}")
    stages = stages_of(root, commit) if commit else {}
    if "render" not in stages or not _has_code(stages, root):
        return None
    try:
        if check_params(params_in(stages), f"experiment {preset.name}") != preset.params:
            return None
    except UserError:  # of a time when there were other parameters
        return None
    return Result(preset, commit, json.loads(git(root, "show", f"{commit}:reports/metrics.json")))


def run(name: str, root: Path) -> int:
    """Run a preset in the workspace, or bring its result there if it is done. Returns the exit code."""
    presets = {preset.name: preset for preset in load_presets(root)}
    if name not in presets:
        raise UserError(f"{name!r} is no preset; those are {', '.join(presets)}")
    preset = presets[name]
    if find_result(preset, root):
        print(f"{name} is done already: dvc exp apply {name}", flush=True)
        return subprocess.run(["dvc", "exp", "apply", name], cwd=root, check=False).returncode
    print(preset.line(), flush=True)
    return subprocess.run(preset.command(), cwd=root, check=False).returncode


def _has_code(stages: dict, root: Path) -> bool:
    deps = [dep for stage in stages.values() for dep in stage["deps"] if dep["path"].endswith(".py")]
    return all(_md5(root / dep["path"]) == dep["md5"] for dep in deps)


def _md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest() if path.exists() else ""


def main(arguments: list[str], root: Path) -> int:
    match arguments:
        case ["list"]:
            print("\n".join(preset.line() for preset in load_presets(root)))
            return 0
        case ["run", name] if name:
            return run(name, root)
    raise UserError("needs `list`, or `run` and a preset's name: make preset NAME=vanilla")


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:], ROOT))
    except UserError as error:
        sys.exit(f"presets: {error}")
