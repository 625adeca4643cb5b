"""Where a run comes from: the Git commit, the DVC experiment, the machine, and what was not committed."""

import os
import platform
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

# What the pipeline itself writes does not make a tree dirty.
_OUTPUTS = (":(exclude)dvc.lock", ":(exclude)reports")
_SECRETS = (":(exclude).dvc/config", ":(exclude,glob)**/.env*")  # where passwords may be
_WHAT = (".", *_OUTPUTS, *_SECRETS)
_LARGEST_UNTRACKED = 1 << 20  # bytes of a file that the diff takes in
# So that `git apply` takes the diff, whatever the user's settings.
_PLAIN = ("--binary", "--no-color", "--no-ext-diff", "--no-textconv", "--src-prefix=a/", "--dst-prefix=b/")


class Provenance(NamedTuple):
    """The commit and whether files differ from it; the DVC experiment's name and the commit it started from, "" outside
    one; the host.
    """

    git_commit: str
    git_dirty: str
    dvc_experiment: str
    dvc_baseline: str
    host: str

    def tags(self) -> dict[str, str]:
        """The tags of a run, without empty ones."""
        tags = self._asdict()
        if self.dvc_experiment:
            tags["dvc_apply"] = f"dvc exp apply {self.dvc_experiment}"
        return {name: value for name, value in tags.items() if value}


def find_provenance(working_copy: Path) -> Provenance:
    """The provenance of a run in a working copy, which for a queued experiment is a copy of its own."""
    changed = _git(working_copy, "status", "--porcelain", "--", ".", *_OUTPUTS)
    commit = _git(working_copy, "rev-parse", "HEAD")
    return Provenance(
        git_commit="unknown" if commit is None else commit.decode().strip(),
        git_dirty="unknown" if changed is None else str(bool(changed)).lower(),
        dvc_experiment=os.environ.get("DVC_EXP_NAME", ""),
        dvc_baseline=os.environ.get("DVC_EXP_BASELINE_REV", ""),
        host=platform.node(),
    )


def uncommitted_diff(working_copy: Path) -> bytes:
    """What `git apply` turns the commit into the working copy with, untracked files included.

    Left out are what the pipeline writes, DVC's own settings, untracked files above a MiB and what Git ignores.
    """
    untracked = _git(working_copy, "ls-files", "--others", "--exclude-standard", "-z", "--", *_WHAT) or b""
    names = [os.fsdecode(name) for name in untracked.split(b"\0") if name]
    small = [name for name in names if _is_small(working_copy / name)]
    with tempfile.TemporaryDirectory() as folder:
        # In an index of its own, in which untracked files count as intended to be added.
        index = {"GIT_INDEX_FILE": f"{folder}/index"}
        if _git(working_copy, "read-tree", "HEAD", **index) is None:
            return b""
        if small:
            _git(working_copy, "add", "--intent-to-add", "--force", "--", *small, **index)
        return _git(working_copy, "diff", *_PLAIN, "HEAD", "--", *_WHAT, **index) or b""


def experiment_diff(repository: Path, commit: str) -> bytes:
    """The same of a DVC experiment's commit, from the one that it started from."""
    return _git(repository, "diff", *_PLAIN, f"{commit}^", commit, "--", *_WHAT) or b""


def _is_small(path: Path) -> bool:
    return path.is_file() and path.stat().st_size <= _LARGEST_UNTRACKED


def _git(working_copy: Path, *arguments: str, **environment: str) -> bytes | None:
    """What a Git command prints; None if it fails. It leaves the user's index alone."""
    variables = os.environ | {"GIT_OPTIONAL_LOCKS": "0"} | environment
    done = subprocess.run(["git", *arguments], cwd=working_copy, env=variables, capture_output=True, check=False)
    return done.stdout if done.returncode == 0 else None
