"""What search.yaml may say, and what a trial is judged by."""

import subprocess
from pathlib import Path

import pytest
import yaml

import trial_queue
from builders import TINY
from fake_runner import PLAN, make_root
from mnist_vae.common.params import load_params
from mnist_vae.console.stage import UserError
from mnist_vae.data.history import EpochRow
from search_plan import SearchPlan, load_plan
from trial_queue import Finished, QueueRunner
from working_copy import REPOSITORY


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_root(tmp_path / "root")


def _plan(root: Path, **changes: object) -> SearchPlan:
    (root / "search.yaml").write_text(yaml.safe_dump(PLAN | changes))
    return load_plan(root / "search.yaml", TINY)


def test_committed_plan_fits_the_parameters() -> None:
    base = load_params(REPOSITORY / "params.yaml").model_dump()
    plan = load_plan(REPOSITORY / "search.yaml", base)
    # The defaults' loss times the pixels: squared error + kl_weight * pixels / latent_dim * KL.
    weight = base["kl_weight"] * base["image_size"] ** 2 / base["latent_dim"]
    assert plan.objective == {
        "validation_distortion_per_image": 1,
        "validation_kl_nats_per_image": pytest.approx(weight),
    }


def test_objective_is_the_weighted_sum_of_validation_columns(root: Path) -> None:
    epoch = EpochRow(1, 1e3, 1e3, 1e3, 7.0, 2.0, 30.0)
    plan = _plan(root, objective={"validation_distortion_per_image": 1.5, "validation_kl_nats_per_image": 0.1})
    assert plan.value(epoch) == pytest.approx(1.5 * 2 + 0.1 * 30)


@pytest.mark.parametrize(
    "column",
    ["train_loss", "train_kl_nats_per_image", "epoch", "kl_nats_per_image", "mse_per_pixel_0_to_1", "test/mse"],
)
def test_objective_refuses_what_is_not_of_the_validation_images(root: Path, column: str) -> None:
    with pytest.raises(UserError, match=f"objective has {column}, but only the validation images may choose"):
        _plan(root, objective={"validation_distortion_per_image": 1, column: 1})


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"objective": {"validation_loss": 1}}, "validation_loss, which changes with kl_weight|latent_dim"),
        ({"objective": {}}, "objective"),
        ({"objective": {"validation_loss": float("nan")}}, "objective.validation_loss"),
        ({"study": "a/b"}, "study"),
        ({"seed": -1}, "seed"),
        ({"sampler": "tpe"}, "sampler"),
        ({"space": {}}, "space"),
        ({"space": {"kl_wieght": {"low": 0.1, "high": 1}}}, "kl_wieght .* is no parameter"),
        ({"space": {"kl_weight": {"low": -1, "high": 1}}}, "kl_weight is -1.0, but must be"),
        ({"space": {"kl_weight": {"low": 0, "high": 1, "log": True}}}, "must be above 0 where log is true"),
        ({"space": {"kl_weight": {"low": 1, "high": 1}}}, "must be less than high"),
        ({"space": {"kl_weight": {"low": 1}}}, "needs low and high, or choices"),
        ({"space": {"kl_weight": {"choices": [0.1], "log": True}}}, "log means nothing"),
        ({"space": {"latent_dim": {"low": 0, "high": 4}}}, "latent_dim is 0, but must be"),
        ({"space": {"latent_dim": {"low": 1.5, "high": 4}}}, "latent_dim is 1.5, but must be"),
        ({"space": {"latent_dim": {"choices": [4, "8"]}}}, "latent_dim is '8', but must be"),
        ({"space": {"network": {"low": 1, "high": 2}}}, "network is no number"),
        ({"space": {"seed": {"low": 1, "high": 2}}}, "seed cannot be searched"),
        ({"fixed": {"epochs": 0}}, "epochs is 0, but must be"),
        ({"fixed": {"kl_weight": 1}}, "kl_weight is in fixed and in space"),
    ],
)
def test_wrong_plan_is_refused_in_a_line(root: Path, changes: dict, complaint: str) -> None:
    with pytest.raises(UserError, match=complaint) as caught:
        _plan(root, **changes)
    assert "\n" not in str(caught.value)


def test_suggestions_become_values_that_dvc_can_hand_on(root: Path) -> None:
    plan = _plan(root, space={"learning_rate": {"low": 0.00001, "high": 0.001, "log": True}})
    preset = plan.preset(3, {"learning_rate": 1e-05}, TINY)
    (written,) = [part for part in preset.command() if part.startswith("learning_rate=")]
    assert yaml.safe_load(written.removeprefix("learning_rate=")) == pytest.approx(1e-05)
    assert preset.name == "fake-3"


@pytest.mark.parametrize("mse", [0.0, 1e9])
def test_numbers_of_the_test_set_change_no_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mse: float) -> None:
    monkeypatch.setattr(trial_queue, "end_dead_tasks", lambda _: {})
    preset = _plan(make_root(tmp_path / "root"), fixed={}).preset(0, {"kl_weight": 0.5}, TINY)
    values = preset.params.model_dump(mode="json")
    train = {"outs": [{"path": "models/model.safetensors", "md5": "abc"}], "params": {"params.yaml": values}}
    files = {
        "dvc.lock": yaml.safe_dump({"stages": {"train": train, "render": {}}}),
        "reports/metrics.json": f'{{"mse_per_pixel_minus1_to_1": {mse}, "kl_nats_per_image": {mse}}}',
        "reports/history/epochs.csv": ",".join(EpochRow._fields) + "\n1,9,9,9,9,9,9\n2,1,2,3,4,5,6\n",
    }
    for name, text in files.items():
        (tmp_path / "root" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "root" / name).write_text(text)
    for command in (
        "init --quiet",
        "add --all",
        "-c user.name=T -c user.email=t@example.org commit --quiet -m x",
        "update-ref refs/exps/12/34/fake-0 HEAD",
    ):
        subprocess.run(["git", *command.split()], cwd=tmp_path / "root", check=True)
    expected = Finished(EpochRow(2, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0), "abc")
    assert QueueRunner(1, tmp_path / "root").look(preset) == expected
