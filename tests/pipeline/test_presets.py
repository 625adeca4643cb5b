"""The presets: what presets.yaml may say, and which experiments count as their results."""

from pathlib import Path

import pytest
import yaml

from builders import TINY
from interpreters import Interpreters
from mnist_vae.common.params import load_params
from mnist_vae.console.stage import UserError
from places import REPOSITORY
from presets import find_result, load_presets, run
from tiny_pipeline import TinyPipeline


def _with_presets(folder: Path, presets: str) -> Path:
    (folder / "params.yaml").write_text(yaml.safe_dump(TINY))
    (folder / "presets.yaml").write_text(presets)
    return folder


def test_there_are_the_systems_of_the_notebooks() -> None:
    presets = {preset.name: preset.params for preset in load_presets(REPOSITORY)}
    conv = presets["conv"]
    assert conv == load_params(REPOSITORY / "params.yaml")
    family = [one.kl_weight for one in presets.values() if one == conv.model_copy(update={"kl_weight": one.kl_weight})]
    assert sorted(family) == [0.01, 0.1, 0.5, 1, 4]
    deep, mlp = presets["vanilla"], presets["mlp-2d"]
    assert (deep.network, deep.deep_channels, deep.reduction) == ("deep", (32, 64, 128, 256, 512), "sum")
    assert (mlp.network, mlp.latent_dim, mlp.mlp_widths, mlp.image_size) == ("mlp", 2, (512,), 28)
    assert (mlp.reduction, mlp.kl_weight, mlp.learning_rate, mlp.adam_betas) == ("sum", 1, 0.001, (0.9, 0.999))
    for plain, variational in (("autoencoder-conv", "conv"), ("autoencoder-mlp-2d", "mlp-2d")):
        assert presets[plain] == presets[variational].model_copy(update={"variational": False})


@pytest.mark.parametrize(
    ("presets", "complaint"),
    [
        ("wrong: {netwrok: mlp}", "presets.yaml: wrong: netwrok"),
        ("wrong: {kl_weight: -1}", "presets.yaml: wrong: kl_weight is -1"),
        ("a: {seed: 1}\na: {seed: 2}", "presets.yaml is not YAML: a appears twice"),
        ("a: &a {seed: 1}\nb: {<<: *a, seed: 2, seed: 3}", "presets.yaml is not YAML: seed appears twice"),
    ],
)
def test_wrong_preset_is_refused_in_a_line(tmp_path: Path, presets: str, complaint: str) -> None:
    with pytest.raises(UserError, match=complaint) as caught:
        load_presets(_with_presets(tmp_path, presets))
    assert "\n" not in str(caught.value)


def test_preset_may_change_what_another_has(tmp_path: Path) -> None:
    presets = load_presets(_with_presets(tmp_path, "a: &a {seed: 1, epochs: 3}\nb: &b {<<: *a, seed: 2}\nc: {<<: *b}"))
    assert [(one.params.seed, one.params.epochs) for one in presets] == [(1, 3), (2, 3), (2, 3)]


def test_command_gives_each_change(tmp_path: Path) -> None:
    root = _with_presets(tmp_path, "one: {network: mlp, variational: false, adam_betas: [0.9, 0.999]}")
    (preset,) = load_presets(root)
    assert preset.command() == [
        *("dvc", "exp", "run", "--name", "one"),
        *("-S", "network=mlp", "-S", "variational=false", "-S", "adam_betas=[0.9,0.999]"),
    ]


def test_experiment_counts_with_the_presets_parameters_and_todays_code_on_the_commit(
    tmp_path: Path, interpreters: Interpreters
) -> None:
    tiny = TinyPipeline(tmp_path / "clone", interpreters)
    tiny.write("presets.yaml", {"weak": {"kl_weight": 0.5, "adam_betas": [0.9, 0.999]}})
    tiny.commit()

    def is_done() -> bool:
        (weak,) = load_presets(tiny.folder)
        return find_result(weak, tiny.folder) is not None

    assert not is_done()
    printed = tiny.succeed("python", "tools/presets.py", "run", "weak")
    assert printed.startswith("dvc exp run --name weak -S kl_weight=0.5 -S 'adam_betas=[0.9,0.999]'")
    assert is_done()
    tiny.succeed("git", "restore", ".")
    assert "weak has a result, which is applied: dvc exp apply weak" in tiny.succeed(
        "python", "tools/presets.py", "run", "weak"
    )
    assert yaml.safe_load((tiny.folder / "params.yaml").read_text())["kl_weight"] == 0.5
    tiny.succeed("git", "restore", ".")

    # The dependency is a folder: any change in it counts, one in another does not.
    for name, counts in (("common/seeds.py", True), ("figures/charts.py", False)):
        path = tiny.folder / "src" / "mnist_vae" / name
        before = path.read_text()
        path.write_text(before + "# a change")
        assert is_done() != counts
        path.write_text(before)
    tiny.write("presets.yaml", {"weak": {"kl_weight": 0.6}})
    assert not is_done()
    tiny.succeed("git", "restore", ".")
    assert is_done()
    tiny.commit()
    assert not is_done()


def test_unknown_preset_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="'weka' is not a preset; the presets are weak, strong"):
        run("weka", _with_presets(tmp_path, "weak: {}\nstrong: {}"))
