"""The tables of docs/likelihood.md, the collecting of results, and the choice of the presets that are compared."""

import json
import shutil
from pathlib import Path

import pytest
from mlflow.entities import Metric

import compare
import likelihood
import likelihood_course
import likelihood_table
import presets
from experiments import Experiment
from likelihood import bounds_of, collect, kept_results, training_seconds
from mnist_vae.common.params import load_params
from mnist_vae.console.stage import UserError
from mnist_vae.tracking.store import open_store
from places import REPOSITORY
from presets import load_presets, make_preset

METRICS = {
    "nll_nats": 86.7649,
    "nll_standard_error_nats": 0.2456,
    "active_dimensions": 25,
    "nll_nats_k1": 91.5,
    "nll_nats_k5000": 86.7649,
    "nll_nats_k100": 86.9,
}
RESULT = {
    "commit": "c" * 40,
    "environment": "cpu, 2 threads",
    "training_seconds": 3210,
    "params": {"latent_dim": 50},
    "metrics": METRICS,
}
PRESETS = load_presets(REPOSITORY)
DEFAULTS = load_params(REPOSITORY / "params.yaml")
OF_BITS = [preset for preset in PRESETS if preset.params.binarisation != "none"]


def _with_results(root: Path, results: dict) -> Path:
    (root / "reports" / "likelihood").mkdir(parents=True)
    (root / likelihood.FILE).write_text(json.dumps(results))
    return root


def test_exactly_the_presets_of_binarised_images_have_a_reference() -> None:
    assert {row.preset for row in likelihood_table.REFERENCES} == {preset.name for preset in OF_BITS}


def test_presets_are_the_papers_models() -> None:
    params = {preset.name: preset.params for preset in OF_BITS}
    vae = params["burda-vae"]
    assert (vae.image_size, vae.mlp_widths, vae.activation, vae.latent_dim) == (28, (200, 200), "tanh", 50)
    assert (vae.binarisation, vae.reconstruction, vae.reduction, vae.kl_weight) == ("dynamic", "bernoulli", "sum", 1)
    assert (vae.output_bias, vae.likelihood_samples, vae.importance_samples) == ("mean_image", 5000, 1)
    for name, samples in (("burda-iwae-5", 5), ("burda-iwae-50", 50)):
        assert params[name] == vae.model_copy(update={"importance_samples": samples, "epochs": params[name].epochs})
    for name in ("burda-vae", "burda-iwae-5"):
        fixed = params[f"{name}-fixed"]
        recipe = {"epochs": fixed.epochs, "learning_rate": fixed.learning_rate}
        assert fixed == params[name].model_copy(update={"binarisation": "fixed", **recipe})
    assert (params["conv-nll"].latent_dim, params["conv-nll"].binarisation) == (50, "dynamic")
    assert (params["pythae-vae-fixed"].mlp_widths, params["pythae-vae-fixed"].latent_dim) == ((400,), 40)


def test_table_says_what_was_obtained_beside_what_was_published(tmp_path: Path) -> None:
    rows = likelihood_table.likelihood_table(_with_results(tmp_path, {"burda-vae": RESULT})).splitlines()
    (row,) = [row for row in rows if "`burda-vae`" in row]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[1:4] == ["`burda-vae`", "**86.76 ± 0.25**", "86.76"]
    assert "table 1" in cells[4]
    assert cells[5] == "3,210; cpu, 2 threads"
    (other,) = [row for row in rows if "`burda-iwae-5`" in row]
    assert other.count("not run") == 2


def test_row_whose_reference_is_an_elbo_has_the_own_elbo_too(tmp_path: Path) -> None:
    rows = likelihood_table.likelihood_table(_with_results(tmp_path, {"conv-nll": RESULT})).splitlines()
    (row,) = [row for row in rows if "`conv-nll`" in row]
    assert "| **86.76 ± 0.25** (negative ELBO: 91.50) | 86.47 ± 0.11 (negative ELBO) |" in row


def test_readme_has_the_likelihoods_with_published_ones_and_the_longest_time(tmp_path: Path) -> None:
    assert "no preset" in likelihood_table.likelihood_sentence(tmp_path)
    iwae = RESULT | {"training_seconds": 3241, "metrics": METRICS | {"nll_nats": 85.744}}
    results = {"burda-vae": RESULT, "burda-iwae-5": iwae, "conv-nll": RESULT, "burda-vae-fixed": RESULT}
    root = _with_results(tmp_path, results)
    told = "86.76 for `burda-vae` (published: 86.76) and 85.74 for `burda-iwae-5` (published: 85.54)"
    assert likelihood_table.likelihood_sentence(root).endswith(f" is {told}, after at most 55 minutes of training.")
    longer = results | {"burda-iwae-50": RESULT}
    (root / likelihood.FILE).write_text(json.dumps(longer))
    told_of_three = "(published: 86.76), 85.74 for `burda-iwae-5` (published: 85.54) and 86.76 for `burda-iwae-50`"
    assert told_of_three in likelihood_table.likelihood_sentence(root)
    results["burda-vae"] = RESULT | {"training_seconds": None}
    (root / likelihood.FILE).write_text(json.dumps(results))
    assert likelihood_table.likelihood_sentence(root).endswith(f" is {told}.")


def test_bounds_stand_in_the_order_of_their_samples(tmp_path: Path) -> None:
    table = likelihood_table.bounds_table(_with_results(tmp_path, {"burda-vae": RESULT})).splitlines()
    assert table[0] == "| samples per image | 1 | 100 | 5000 | active dimensions |"
    assert table[2] == "| `burda-vae` | 91.50 | 86.90 | 86.76 | 25 of 50 |"
    assert bounds_of(METRICS) == {1: 91.5, 100: 86.9, 5000: 86.7649}


def test_pictures_are_shown_once_they_are_there(tmp_path: Path) -> None:
    assert "![" not in likelihood_table.bounds_table(tmp_path) + likelihood_table.course_table(tmp_path)
    for path in ("reports/likelihood/bounds.png", "benchmarks/likelihood_course.png"):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).touch()
    assert "](../reports/likelihood/bounds.png)" in likelihood_table.bounds_table(tmp_path)
    assert "](../benchmarks/likelihood_course.png)" in likelihood_table.course_table(tmp_path)


def test_course_has_its_last_point_and_the_seconds_to_90_nats_if_it_came_below(tmp_path: Path) -> None:
    points = [{"epoch": 1, "seconds": 11.6, "nll": 104.7}, {"epoch": 8, "seconds": 92.4, "nll": 88.126}]
    below = {"commit": "abc1234", "machine": "two cores", "epochs": 8, "points": points, "seconds to 90 nats": 92.4}
    above = {"commit": "abc1234", "machine": "two cores", "epochs": 1, "points": points[:1]}
    (tmp_path / "benchmarks").mkdir()
    courses = {"courses": {"conv-nll": below, "burda-vae": above}}
    (tmp_path / "benchmarks" / "likelihood_course.json").write_text(json.dumps(courses))
    lines = likelihood_table.course_table(tmp_path).splitlines()
    assert lines[0] == "Commit abc1234; two cores."
    assert lines[4:] == ["| `conv-nll` | 8 | 92 | 88.13 | 92 |", "| `burda-vae` | 1 | 12 | 104.70 | |"]


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ("conv-fast=2", "'conv-fast' is not a preset of binarised images"),
        ("conv-nll", "'conv-nll' does not end in a whole number of epochs"),
        ("conv-nll=0", "'conv-nll=0' does not end in a whole number of epochs"),
    ],
)
def test_wrong_training_of_the_course_is_refused(monkeypatch: pytest.MonkeyPatch, asked: str, says: str) -> None:
    monkeypatch.setattr("sys.argv", ["likelihood_course.py", asked])
    with pytest.raises(UserError, match=says):
        likelihood_course.main()


def test_collected_results_are_added_to_earlier_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = _with_results(tmp_path, {"burda-iwae-5": RESULT, "gone": RESULT})
    experiment = Experiment("e" * 40, {}, "md5", [])
    files = {"reports/metrics.json": json.dumps(METRICS | {"nll_nats": 86.5}), "reports/environment.json": "{}"}
    files["reports/environment.json"] = json.dumps({"environment": "cpu, 1 thread"})
    monkeypatch.setattr(Experiment, "read", lambda _, path, __: files[str(path)])
    monkeypatch.setattr(likelihood, "git", lambda *_: "p" * 40)
    monkeypatch.setattr(likelihood, "training_seconds", lambda *_: 12.6)
    for module in (likelihood, presets):
        monkeypatch.setattr(module, "find_result", lambda preset, _: experiment if preset.name == "burda-vae" else None)
    assert collect(OF_BITS, root) == ["burda-vae"]
    written = json.loads((root / likelihood.FILE).read_text())
    assert list(written) == ["burda-vae", "burda-iwae-5"]  # in the presets' order, without what is not a preset
    assert written["burda-iwae-5"] == RESULT
    found = written["burda-vae"]
    assert (found["commit"], found["environment"], found["training_seconds"]) == ("p" * 40, "cpu, 1 thread", 13)
    assert found["metrics"]["nll_nats"] == 86.5
    assert (root / "reports" / "likelihood" / "bounds.png").stat().st_size > 10_000


def test_seconds_of_a_training_are_those_of_its_epochs(tmp_path: Path, empty_store: bytes) -> None:
    (tmp_path / ".dvc").mkdir()
    (tmp_path / "mlflow.db").write_bytes(empty_store)
    store = open_store(tmp_path)
    run = store.client.create_run(store.experiment_id, tags={"model_md5": "m" * 32})
    speeds = [Metric("speed/images_per_second", speed, 0, epoch) for epoch, speed in ((1, 100.0), (2, 50.0))]
    store.client.log_batch(run.info.run_id, metrics=speeds)
    assert training_seconds("m" * 32, [300, 300], tmp_path) == 3 + 6
    assert training_seconds("m" * 32, [300, 150], tmp_path) == 3 + 3
    assert training_seconds("n" * 32, [300, 300], tmp_path) is None


def test_presets_of_binarised_images_are_compared_if_named_or_finished(monkeypatch: pytest.MonkeyPatch) -> None:
    done = Experiment("e" * 40, {}, "md5", [])
    monkeypatch.setattr(compare, "find_result", lambda preset, _: done if preset.name == "conv-nll" else None)
    grey = [preset.name for preset in PRESETS if preset.params.binarisation == "none"]
    assert [preset.name for preset in compare.chosen(PRESETS, [], REPOSITORY)] == [*grey, "conv-nll"]
    named = compare.chosen(PRESETS, ["burda-vae"], REPOSITORY)
    assert [preset.name for preset in named] == [*grey, "burda-vae", "conv-nll"]
    with pytest.raises(UserError, match="'burda' is not a preset; the presets are conv, "):
        compare.chosen(PRESETS, ["burda"], REPOSITORY)


def test_collected_results_are_of_todays_presets() -> None:
    kept = {one.preset.name: one for one in kept_results(OF_BITS, REPOSITORY)}
    for name in likelihood.load_results(REPOSITORY):
        assert name in kept, f"{name} has changed since: tools/likelihood.py {name}"
        metrics = kept[name].metrics
        assert bounds_of(metrics)[kept[name].preset.params.likelihood_samples] == metrics["nll_nats"]


def test_collected_result_counts_only_with_the_presets_parameters(tmp_path: Path) -> None:
    vae, iwae = (preset for preset in OF_BITS if preset.name in {"burda-vae", "burda-iwae-5"})
    params = vae.params.model_dump(mode="json")
    older = {name: value for name, value in params.items() if name != "sticking_the_landing"}
    root = _with_results(tmp_path, {"burda-vae": RESULT | {"params": older}})
    assert kept_results([vae, iwae], root) == [likelihood.Kept(vae, RESULT["commit"], METRICS)]
    changed = make_preset("burda-vae", dict(vae.changes) | {"sticking_the_landing": True}, DEFAULTS, "a test")
    assert kept_results([changed], root) == []
    for other in ({"epochs": 1}, {"a parameter of that time": 1}, {"network": "of that time"}):
        (root / likelihood.FILE).write_text(json.dumps({"burda-vae": RESULT | {"params": params | other}}))
        assert kept_results([vae], root) == []
    del params["activation"]  # nobody has said what was done before it
    (root / likelihood.FILE).write_text(json.dumps({"burda-vae": RESULT | {"params": params}}))
    assert kept_results([vae], root) == []


def test_unknown_preset_is_refused_before_anything_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(likelihood, "require_whole_clone", lambda _: None)
    assert shutil.which("git")
    with pytest.raises(UserError, match="'conv' is not a preset of binarised images; those are burda-vae"):
        likelihood.likelihoods(["conv"], 1, REPOSITORY)
