"""What the download stage depends on: a file for each data set, of which one stage writes that of custom images."""

from pathlib import Path

import yaml

from mnist_vae.common import paths
from mnist_vae.common.catalogue import CUSTOM, DATASETS

ROOT = Path(paths.PARAMS).resolve().parent


def test_every_known_data_set_has_a_file_that_never_changes_and_custom_has_none() -> None:
    files = {path.name for path in (ROOT / "watch").glob("*.txt")} - {f"{CUSTOM}.txt"}
    assert files == {paths.watched(name).name for name in DATASETS}


def test_watch_has_a_single_stage_that_always_runs() -> None:
    (stage,) = yaml.safe_load((ROOT / "watch" / "dvc.yaml").read_text())["stages"].values()
    assert stage["always_changed"] is True
    assert stage["wdir"] == ".."
    (out,) = stage["outs"]
    # Persistent, or a copy without the folder would lose its list. Not cached, because it is written again each time.
    assert out == {str(paths.watched(CUSTOM)): {"cache": False, "persist": True}}
