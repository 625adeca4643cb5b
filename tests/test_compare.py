"""The presets, and all of them compared by DVC's queue."""

import json
import signal
from pathlib import Path

import pytest
import yaml

import compare
import dvc_queue
from builders import TINY
from mnist_vae.common.params import load_params
from mnist_vae.console.stage import UserError
from presets import find_result, load_presets
from working_copy import REPOSITORY, WorkingCopy

PRESETS = {"first": {}, "plain": {"variational": False, "kl_weight": 0}}


def _with_presets(folder: Path, presets: dict) -> Path:
    (folder / "params.yaml").write_text(yaml.safe_dump(TINY))
    (folder / "presets.yaml").write_text(yaml.safe_dump(presets, sort_keys=False))
    return folder


def test_there_are_the_systems_of_the_notebooks() -> None:
    presets = {preset.name: preset.params for preset in load_presets(REPOSITORY)}
    assert presets["conv"] == load_params(REPOSITORY / "params.yaml")
    family = [
        params
        for params in presets.values()
        if params == presets["conv"].model_copy(update={"kl_weight": params.kl_weight})
    ]
    assert sorted(params.kl_weight for params in family) == [0.01, 0.1, 0.5, 1, 4]
    assert presets["vanilla"].network == "vanilla"
    assert presets["vanilla"].deep_channels == (32, 64, 128, 256, 512)
    assert (presets["mlp-2d"].network, presets["mlp-2d"].latent_dim, presets["mlp-2d"].mlp_widths) == ("mlp", 2, (512,))
    for plain, variational in (("autoencoder-conv", "conv"), ("autoencoder-mlp-2d", "mlp-2d")):
        assert presets[plain] == presets[variational].model_copy(update={"variational": False, "kl_weight": 0.0})


def test_typed_line_gives_each_change(tmp_path: Path) -> None:
    changes = {"network": "mlp", "variational": False, "kl_weight": 0, "adam_betas": [0.9, 0.999]}
    (preset,) = load_presets(_with_presets(tmp_path, {"one": changes}))
    assert preset.line() == (
        "dvc exp run --name one -S network=mlp -S variational=false -S kl_weight=0 -S 'adam_betas=[0.9,0.999]'"
    )


@pytest.mark.parametrize(
    ("changes", "complaint"), [({"netwrok": "mlp"}, "netwrok"), ({"variational": False}, "kl_weight is 0.1")]
)
def test_wrong_preset_is_refused_by_name(tmp_path: Path, changes: dict, complaint: str) -> None:
    with pytest.raises(UserError, match=f"presets.yaml: wrong: .*{complaint}"):
        load_presets(_with_presets(tmp_path, {"wrong": changes}))


@pytest.mark.parametrize("jobs", ["", "0", "-1", "two", "1.5"])
def test_wrong_number_of_jobs_is_refused(tmp_path: Path, jobs: str) -> None:
    with pytest.raises(UserError, match=f"JOBS is '{jobs}', but must be a whole number of at least 1"):
        compare.main(jobs, tmp_path)


def test_params_are_brought_back_after_queueing_was_broken_off(tmp_path: Path) -> None:
    (tmp_path / ".dvc" / "tmp").mkdir(parents=True)
    (tmp_path / "params.yaml").write_text("of an experiment")
    (tmp_path / dvc_queue.COPY_OF_PARAMS).write_text("mine")
    for _ in range(2):
        dvc_queue.restore_params(tmp_path)
        assert (tmp_path / "params.yaml").read_text() == "mine"


def test_comparison_that_was_broken_off_goes_on_to_its_end(reproduced: WorkingCopy, tmp_path: Path) -> None:
    clone = reproduced.copied_to(tmp_path / "clone")
    (clone.folder / "presets.yaml").write_text(yaml.safe_dump(PRESETS, sort_keys=False))
    clone.commit()
    clone.introduce()
    params = (clone.folder / "params.yaml").read_bytes()
    broken_off = clone.start("python", "tools/compare.py", "1", PYTHONPATH="src")
    assert broken_off.stdout is not None
    printed = ""
    while "Running stage" not in printed:
        printed = broken_off.stdout.readline()
        assert printed
    broken_off.send_signal(signal.SIGINT)
    assert "stopped; what is finished stays" in broken_off.communicate(timeout=120)[0]
    assert broken_off.returncode == 1

    command = ("python", "tools/compare.py", "1")
    assert "2 systems compared" in clone.succeed(*command, PYTHONPATH="src")
    assert (clone.folder / "params.yaml").read_bytes() == params
    written = json.loads((clone.folder / "reports" / "comparison" / "comparison.json").read_text())
    assert list(written) == ["first", "plain"]
    assert written["plain"]["params"]["variational"] is False
    assert written["plain"]["metrics"]["kl_nats_per_image"] == 0 < written["first"]["metrics"]["kl_nats_per_image"]
    for name in ("rate_distortion", "plain"):
        assert (clone.folder / "reports" / "comparison" / f"{name}.png").stat().st_size > 10_000
    assert {"first", "plain"} <= set(clone.succeed("dvc", "exp", "list", "--name-only").split())
    # All is done: neither command runs anything again.
    assert "to be run" not in clone.succeed(*command, PYTHONPATH="src")
    again = clone.succeed("python", "tools/presets.py", "run", "plain", PYTHONPATH="src")
    assert "plain is done already: dvc exp apply plain" in again
    assert clone.params()["variational"] is False
    # Other code gives other results.
    charts = clone.folder / "src" / "mnist_vae" / "figures" / "charts.py"
    charts.write_text(charts.read_text() + "# a change")
    (first, _) = load_presets(clone.folder)
    assert find_result(first, clone.folder) is None
