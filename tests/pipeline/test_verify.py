"""tools/verify.py: the verdicts on made-up results, and the command on a working copy."""

import json
from pathlib import Path

import pytest

from mnist_vae.console.stage import UserError
from verify import Result, compare, verify
from working_copy import WorkingCopy

METRICS = {"mse": 0.016, "kl": 36.0, "active_dimensions": 126, "parameter_count": 476353}
OUTPUTS = {"data/prepared.safetensors": "d", "models/model.safetensors": "m", "reports/environment.json": "e"}
COMMITTED = Result(OUTPUTS, METRICS, "cpu, 2 threads, AVX512, torch 2.13.0")
ROUNDED = OUTPUTS | {"models/model.safetensors": "other"}


def test_same_bytes_on_another_machine_are_identical_and_the_machine_is_named() -> None:
    elsewhere = Result(OUTPUTS | {"reports/environment.json": "f"}, METRICS, "cpu, 2 threads, AVX2, torch 2.13.0")
    for here in (COMMITTED, elsewhere):
        verdict = compare(COMMITTED, here)
        assert (verdict.line, verdict.good) == ("identical: each of the 2 outputs has the committed bytes", True)
        assert verdict.details == [f"environment: {COMMITTED.environment} committed, {here.environment} here"]


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("mse", 0.016 * 1.0049, "same within 0.490%: the largest difference is that of mse"),
        ("mse", 0.016 * 0.9951, "same within 0.490%: the largest difference is that of mse"),
        ("active_dimensions", 124, "same within 1.587%: the largest difference is that of active_dimensions"),
        ("mse", 0.016 * 1.0051, "different: mse off by more than allowed"),
        ("kl", 36 * 0.994, "different: kl off by more than allowed"),
        ("active_dimensions", 123, "different: active_dimensions off by more than allowed"),
        ("parameter_count", 476354, "different: parameter_count off by more than allowed"),
    ],
)
def test_other_bytes_are_the_same_within_what_is_allowed(name: str, value: float, line: str) -> None:
    verdict = compare(COMMITTED, Result(ROUNDED, METRICS | {name: value}, COMMITTED.environment))
    assert verdict.line == line
    assert verdict.good == line.startswith("same")
    assert verdict.details[1] == "other bytes: models/model.safetensors"
    assert len(verdict.details) == 2 + len(METRICS)


def test_other_data_are_different_whatever_the_metrics() -> None:
    verdict = compare(COMMITTED, COMMITTED._replace(outputs=OUTPUTS | {"data/prepared.safetensors": "x"}))
    assert (verdict.line, verdict.good) == ("different: the prepared data differ", False)


def test_metric_of_zero_must_stay_zero() -> None:
    committed = COMMITTED._replace(metrics={"kl": 0.0})
    assert compare(committed, Result(ROUNDED, {"kl": 0.0}, "")).good
    assert not compare(committed, Result(ROUNDED, {"kl": 1e-9}, "")).good


def test_other_names_of_metrics_are_different() -> None:
    assert compare(COMMITTED, Result(ROUNDED, {"mse": 0.016}, "")).line == "different: metrics.json has other names"


def test_result_that_another_machine_rounded_is_accepted_with_the_largest_difference(
    reproduced: WorkingCopy, tmp_path: Path
) -> None:
    copy = reproduced.copied_to(tmp_path / "clone")
    lock, metrics = copy.folder / "dvc.lock", copy.folder / "reports" / "metrics.json"
    model = lock.read_text().partition("path: models/model.safetensors")[2].split("md5: ")[1][:32]
    lock.write_text(lock.read_text().replace(model, "0" * 32))
    numbers = json.loads(metrics.read_text())
    metrics.write_text(json.dumps(numbers | {"mse_minus1_to_1": numbers["mse_minus1_to_1"] * 1.001}))
    copy.commit()
    before = copy.outputs()
    printed = copy.succeed("python", "tools/verify.py")
    assert "verify: environment: cpu, 1 thread" in printed
    assert "verify: other bytes: models/model.safetensors" in printed
    assert printed.splitlines()[-1] == "verify: same within 0.100%: the largest difference is that of mse_minus1_to_1"
    assert copy.outputs() == before
    assert copy.succeed("git", "status", "--porcelain") == ""


def test_without_committed_results_it_says_what_to_do(clone: WorkingCopy) -> None:
    with pytest.raises(UserError, match=r"dvc\.lock.* commit the results of `dvc repro`"):
        verify(clone.folder)
