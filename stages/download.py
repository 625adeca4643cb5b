"""Fetch the data set's original files into a folder, verified."""

from mnist_vae.console.early import end_in_a_line

end_in_a_line()  # also during the imports below, which take seconds

import os
from pathlib import Path

from mnist_vae.common import paths
from mnist_vae.common.catalogue import DATASETS
from mnist_vae.common.params import load_params
from mnist_vae.console.stage import UserError, repository_root, run_stage, show_to_git
from mnist_vae.sources.download import UnreachableError, fetch


def main() -> None:
    # As the first stage, and one that rereads all of params.yaml whenever it changed, it finds every wrong parameter,
    # and a device that is not there, before a later stage's outs are touched.
    show_to_git(paths.PARAMS)
    try:
        params = load_params(paths.PARAMS)
    except UserError as error:
        raise UserError(f"{error}{_way_back()}") from None
    if params.device in {"cuda", "mps"}:
        from mnist_vae.common.device import find_device  # imports torch, which takes seconds

        find_device(params.device)
    root = repository_root(Path.cwd())
    unreachable = root / ".dvc" / "tmp" / "data-set-unreachable"  # tells `make repro` why the stage failed
    unreachable.unlink(missing_ok=True)
    try:
        origin = fetch(DATASETS[params.dataset], paths.raw(params.dataset), paths.originals(params.dataset), root)
    except UnreachableError:
        unreachable.touch()
        raise
    print(f"download: {DATASETS[params.dataset].title}: {origin}")


def _way_back() -> str:
    # An experiment in a copy of the repository leaves the params.yaml that a person edits as it was.
    in_workspace = repository_root(Path.cwd()) == Path.cwd() and paths.PARAMS.exists()
    if "DVC_EXP_NAME" in os.environ and in_workspace:
        return f"; it is in {paths.PARAMS} now: git restore {paths.PARAMS} undoes it, and your other changes there"
    return ""


if __name__ == "__main__":
    run_stage(main)
