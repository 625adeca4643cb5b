"""Where a run comes from: the Git commit, the DVC experiment, the machine."""

import os
import platform
import subprocess
from pathlib import Path
from typing import NamedTuple

# What the pipeline itself writes does not make a tree dirty.
_OUTPUTS = (":(exclude)dvc.lock", ":(exclude)reports")
_SECRETS = ":(exclude).dvc/config"  # where a remote's password may be


class Provenance(NamedTuple):
    """The commit and whether tracked files differ from it; the DVC experiment's name and the commit it started from, ""
    outside one; the host.
    """

    git_commit: str
    git_dirty: str
    dvc_experiment: str
    dvc_baseline: str
    host: str


def find_provenance(working_copy: Path) -> Provenance:
    """The provenance of a run in a working copy, which for a queued experiment is a copy of its own."""
    changed = _git(working_copy, "status", "--porcelain", "--untracked-files=no", "--", ".", *_OUTPUTS)
    return Provenance(
        git_commit=_git(working_copy, "rev-parse", "HEAD"),
        git_dirty="true" if changed else "false",
        dvc_experiment=os.environ.get("DVC_EXP_NAME", ""),
        dvc_baseline=os.environ.get("DVC_EXP_BASELINE_REV", ""),
        host=platform.node(),
    )


def uncommitted_diff(working_copy: Path) -> str:
    """What differs from the commit in tracked files, but for what the pipeline writes and DVC's own settings."""
    return _git(working_copy, "diff", "HEAD", "--", ".", *_OUTPUTS, _SECRETS, otherwise="")


def _git(working_copy: Path, *arguments: str, otherwise: str = "unknown") -> str:
    done = subprocess.run(["git", *arguments], cwd=working_copy, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else otherwise
