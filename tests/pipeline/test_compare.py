"""The comparison of all presets: what it runs, what it leaves alone, how it fails."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import experiments
from commands import processes_in
from compare import compare
from experiments import start_experiment
from interpreters import Interpreters
from mnist_vae.console.stage import UserError
from presets import load_presets
from tiny_pipeline import TinyPipeline
from working_copy import WorkingCopy

COMPARE = ("python", "tools/compare.py")


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, interpreters: Interpreters) -> TinyPipeline:
    tiny = TinyPipeline(tmp_path / "clone", interpreters)
    # For what is called in this process. A dict in place of os.environ would not reach the processes that it starts.
    for name in set(os.environ) - {"PYTEST_CURRENT_TEST"}:
        monkeypatch.delenv(name)
    for name, value in tiny.environment.items():
        monkeypatch.setenv(name, value)
    return tiny


def test_comparison_holds_the_systems_and_its_commit_and_is_not_run_twice(tiny: TinyPipeline) -> None:
    tiny.write("presets.yaml", {"weak": {"kl_weight": 0.5}, "strong": {"kl_weight": 2}})
    commit = tiny.commit()
    compare(2, tiny.folder)
    written = json.loads((tiny.folder / "reports/comparison/comparison.json").read_text())
    assert written["commit"] == commit
    assert {name: one["params"]["kl_weight"] for name, one in written["systems"].items()} == {"weak": 0.5, "strong": 2}
    assert written["systems"]["strong"]["metrics"]["mse_minus1_to_1"] == 0.5
    assert (tiny.folder / "reports/comparison/rate_distortion.png").stat().st_size > 10_000
    page = (tiny.folder / "reports/comparison/comparison.html").read_text()
    assert "no page of their runs: weak, strong." in page
    assert tiny.succeed("git", "diff", "--stat") == ""
    before = tiny.experiments(commit)
    assert set(before) == {"weak", "strong"}
    compare(1, tiny.folder)
    assert tiny.experiments(commit) == before


def test_collected_likelihoods_of_unchanged_presets_are_compared_under_their_own_commit(
    tiny: TinyPipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    bits = {"binarisation": "dynamic", "reconstruction": "bernoulli"}
    tiny.write("presets.yaml", {"grey": {}, "kept": bits, "changed": bits | {"epochs": 3}, "never": bits})
    head = tiny.commit()
    params = {preset.name: preset.params.model_dump(mode="json") for preset in load_presets(tiny.folder)}
    result = {"commit": "c" * 40, "metrics": {"mse_minus1_to_1": 0.75, "kl_nats": 9.0, "nll_nats": 86.5}}
    collected = {"kept": result | {"params": params["kept"]}, "changed": result | {"params": params["kept"]}}
    (tiny.folder / "reports/likelihood").mkdir(parents=True)
    (tiny.folder / "reports/likelihood/likelihood.json").write_text(json.dumps(collected))
    compare(1, tiny.folder)
    printed = capsys.readouterr().out
    assert "compare: as collected in reports/likelihood: kept\n" in printed
    assert "collected with other parameters: changed\n" in printed
    assert "you did not name them: never\n" in printed
    assert "compare: 2 systems compared" in printed
    systems = json.loads((tiny.folder / "reports/comparison/comparison.json").read_text())["systems"]
    assert {name: one["commit"] for name, one in systems.items()} == {"grey": head, "kept": "c" * 40}
    assert systems["kept"]["metrics"] == result["metrics"]
    page = (tiny.folder / "reports/comparison/comparison.html").read_text()
    assert "no page of their runs: grey, kept." in page
    assert set(tiny.experiments(head)) == {"grey"}


def test_experiments_of_other_commits_stay_and_finished_stages_are_restored(tiny: TinyPipeline) -> None:
    tiny.write("presets.yaml", {"weak": {"kl_weight": 0.5}})
    first = tiny.commit()
    compare(1, tiny.folder)
    before = tiny.experiments(first)
    render = tiny.folder / "stages/render.py"
    render.write_text(render.read_text() + "# a change")
    second = tiny.commit()
    compare(1, tiny.folder)
    assert tiny.experiments(first) == before
    log = (tiny.folder / ".dvc/tmp/experiments/weak.log").read_text()
    assert "Stage 'train' is cached" in log
    assert "Running stage 'render'" in log
    # Other parameters take the place of the experiment on their own commit only.
    tiny.write("presets.yaml", {"weak": {"kl_weight": 0.6}})
    of_second = tiny.experiments(second)
    compare(1, tiny.folder)
    assert tiny.experiments(first) == before
    assert tiny.experiments(second).keys() == of_second.keys()
    assert tiny.experiments(second) != of_second


def test_failure_ends_all_at_once_and_is_named(tiny: TinyPipeline) -> None:
    tiny.write("presets.yaml", {"slow": {"epochs": 100}, "bad": {"kl_weight": 9}, "never": {}})
    commit = tiny.commit()
    ended = tiny.run(*COMPARE, "--jobs", "2")
    assert ended.returncode == 1
    log = tiny.folder / ".dvc/tmp/experiments/bad.log"
    assert ended.stdout.splitlines()[-1] == f"compare: bad failed (train: the loss is not finite): see {log}"
    assert "never" not in ended.stdout
    assert tiny.experiments(commit) == {}
    assert not processes_in(tiny.folder)  # the slow one has ended, too
    assert tiny.succeed("git", "status", "--porcelain") == ""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_comparison_ends_what_runs_and_leaves_the_workspace(
    tiny: TinyPipeline, number: signal.Signals, code: int
) -> None:
    tiny.write("presets.yaml", {"slow": {"epochs": 100}})
    commit = tiny.commit()
    process = tiny.start(*COMPARE)
    assert process.stdout is not None
    while "slow is running" not in (line := process.stdout.readline()):
        assert line
    process.send_signal(number)
    assert process.communicate(timeout=60)[0] == f"compare: stopped by {number.name}\n"
    assert process.returncode == code
    assert tiny.experiments(commit) == {}
    assert not processes_in(tiny.folder)
    assert tiny.succeed("git", "status", "--porcelain") == ""


def test_experiment_that_loses_an_interrupt_is_interrupted_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(experiments, "_INTERRUPT_AGAIN", 0.1)
    code = "import signal, time\nsignal.signal(2, lambda *_: signal.signal(2, signal.SIG_DFL))\nprint(flush=True)\n"
    command = [sys.executable, "-IS", "-c", f"{code}while True: time.sleep(60)"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        experiments.Running("slow", process, tmp_path / "log", "", tmp_path).stop()
        assert process.poll() == -signal.SIGINT


def test_params_are_brought_back_after_a_kill_in_the_moment_when_dvc_had_changed_them(
    tiny: TinyPipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny.write("presets.yaml", {"weak": {"kl_weight": 0.5}})
    tiny.commit()
    params = tiny.folder / "params.yaml"
    mine = params.read_text()
    (tiny.folder / ".dvc/tmp").mkdir(exist_ok=True)
    (tiny.folder / ".dvc/tmp/params-before-experiment.yaml").write_text(mine)
    params.write_text(mine.replace("kl_weight: 0.1", "kl_weight: 0.5"))
    for told in (1, 0):
        start_experiment("weak", [], tiny.folder).wait()
        assert params.read_text() == mine
        assert capsys.readouterr().out.count("params.yaml is restored") == told


def test_git_that_fails_is_not_taken_for_no_experiments(tiny: TinyPipeline) -> None:
    tiny.write("presets.yaml", {"weak": {}})
    (tiny.folder / ".git").rename(tiny.folder / "no-git")
    with pytest.raises(UserError, match="git rev-parse failed: "):
        compare(1, tiny.folder)


def test_shallow_clone_which_keeps_no_experiments_is_told(tiny: TinyPipeline, tmp_path: Path) -> None:
    tiny.write("presets.yaml", {"weak": {}})
    tiny.commit()
    tiny.succeed("git", "clone", "--quiet", "--depth", "1", tiny.folder.as_uri(), str(tmp_path / "shallow"))
    with pytest.raises(UserError, match="git fetch --unshallow"):
        compare(1, tmp_path / "shallow")


def test_real_systems_stand_side_by_side(reproduced: WorkingCopy, tmp_path: Path) -> None:
    clone = reproduced.copied_to(tmp_path / "clone")
    (clone.folder / "presets.yaml").write_text(yaml.safe_dump({"first": {}, "plain": {"variational": False}}))
    clone.commit()
    assert "2 systems compared" in clone.succeed(*COMPARE)
    systems = json.loads((clone.folder / "reports/comparison/comparison.json").read_text())["systems"]
    assert systems["plain"]["metrics"]["kl_nats"] == 0 < systems["first"]["metrics"]["kl_nats"]
    assert (clone.folder / "reports/comparison/plain.png").stat().st_size > 10_000
    page = (clone.folder / "reports/comparison/comparison.html").read_text()
    assert page.count('class="system" data-name="') == 2
