"""A repository whose pipeline takes a second: its stages have this project's names and files, but train nothing.

It is for tests of what DVC, Git and the tools do with experiments. The real stages have tests of their own.
"""

import shutil
from pathlib import Path

import yaml

from builders import TINY
from commands import Folder
from interpreters import Interpreters
from mnist_vae.data.history import EpochRow
from places import REPOSITORY

_DVC = """
stages:
  train:
    cmd: python stages/train.py
    deps: [stages/train.py, src/mnist_vae/common]
    params:
      - params.yaml:
    outs: [models/model.safetensors]
    plots:
      - reports/history/epochs.csv: {cache: false}
  render:
    cmd: python stages/render.py
    deps: [stages/render.py, models/model.safetensors]
    metrics:
      - reports/metrics.json: {cache: false}
    outs: [reports/pictures.safetensors]
"""
# The best objective is at kl_weight 0.1 and latent_dim 4, the test metrics say the contrary, and kl_weight 9 fails.
_TRAIN = f"""
import math, os, pathlib, sys, time
import yaml
assert "MNIST_VAE_SEARCH_STORAGE" not in os.environ
params = yaml.safe_load(open("params.yaml"))
print("train: begins", flush=True)
time.sleep(params["epochs"] - 1)
if params["kl_weight"] == 9:
    sys.exit("train: the loss is not finite")
pathlib.Path("models").mkdir(exist_ok=True)
pathlib.Path("models/model.safetensors").write_text(str(params))
error = (math.log10(params["kl_weight"]) + 1) ** 2
pathlib.Path("reports/history").mkdir(parents=True, exist_ok=True)
lines = ["{",".join(EpochRow._fields)}", f"1,0,{{1 / (error + 1)}},1,0,{{error}},{{abs(params['latent_dim'] - 4)}}"]
pathlib.Path("reports/history/epochs.csv").write_text("\\n".join(lines))
"""
_RENDER = """
import json, pathlib
import yaml
params = yaml.safe_load(open("params.yaml"))
metrics = {"kl_nats": 9.0, "mse_minus1_to_1": 1 / params["kl_weight"]}
pathlib.Path("reports/metrics.json").write_text(json.dumps(metrics))
pathlib.Path("reports/pictures.safetensors").write_text(str(params))
"""


class TinyPipeline(Folder):
    """The repository, with this project's tools and package, and the commands that people type in it."""

    def __init__(self, folder: Path, interpreters: Interpreters):
        home = folder.parent / "home"
        home.mkdir()
        environment = {"HOME": str(home), "PATH": interpreters.search_path}
        for who in ("AUTHOR", "COMMITTER"):
            environment |= {f"GIT_{who}_NAME": "Tester", f"GIT_{who}_EMAIL": "tester@example.org"}
        super().__init__(folder, environment)
        for name in ("tools", "src"):
            shutil.copytree(REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in (".dvc/config", ".dvc/.gitignore"):
            (folder / name).parent.mkdir(exist_ok=True)
            shutil.copy(REPOSITORY / name, folder / name)
        files = {
            "dvc.yaml": _DVC,
            "params.yaml": yaml.safe_dump(TINY),
            "stages/train.py": _TRAIN,
            "stages/render.py": _RENDER,
            ".dvcignore": "__pycache__\n",
            ".gitignore": "__pycache__/\n/models/\n/reports/pictures.safetensors\n/mlflow.db*\n/search.db*\n",
        }
        for name, text in files.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(text)
        self.succeed("git", "init", "--quiet", "--initial-branch=main")
        self.commit()

    def write(self, name: str, content: object) -> None:
        """Write a YAML file."""
        (self.folder / name).write_text(yaml.safe_dump(content, sort_keys=False))

    def commit(self) -> str:
        """Commit everything, and return the commit."""
        self.succeed("git", "add", "--all")
        self.succeed("git", "commit", "--quiet", "--allow-empty", "--message", "State for the test")
        return self.succeed("git", "rev-parse", "HEAD").strip()

    def experiments(self, commit: str) -> dict[str, str]:
        """The commits of the experiments on a commit, by name."""
        command = (
            "git",
            "for-each-ref",
            "--format=%(refname:lstrip=4) %(objectname)",
            f"refs/exps/{commit[:2]}/{commit[2:]}",
        )
        return dict(line.split() for line in self.succeed(*command).splitlines())
