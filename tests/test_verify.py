"""`make verify`: the verdicts on made-up results, and the command on a working copy."""

from pathlib import Path

import pytest

import verify
from tiny_mnist import TinyServer
from verify import Result, compare
from working_copy import WorkingCopy

ENVIRONMENT = {"device": "cpu (2 threads)", "processor": "a", "vector_instructions": "AVX512", "torch": "2.13.0"}
METRICS = {"mse": 0.016, "kl": 36.0, "active_latent_dimensions": 126, "parameter_count": 476353, "kl_by_class/3": 39.0}
OUTPUTS = {"data/prepared.safetensors": "d", "models/model.safetensors": "m", "reports/environment.json": "e"}
COMMITTED = Result(OUTPUTS, METRICS, ENVIRONMENT)
ROUNDED = OUTPUTS | {"models/model.safetensors": "other"}


def test_same_bytes_are_identical() -> None:
    verdict = compare(COMMITTED, COMMITTED)
    assert (verdict.line, verdict.good) == ("identical: each of the 2 outputs has the committed bytes", True)
    assert "same device" in verdict.details[0]


def test_same_bytes_from_another_machine_are_identical_and_the_machine_is_named() -> None:
    here = Result(OUTPUTS | {"reports/environment.json": "f"}, METRICS, ENVIRONMENT | {"processor": "b"})
    verdict = compare(COMMITTED, here)
    assert verdict.line.startswith("identical")
    assert verdict.details == ["processor: 'a' committed, 'b' here"]


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("mse", 0.016 * 1.0049, "same within 0.490%, the largest of mse"),
        ("mse", 0.016 * 0.9951, "same within 0.490%, the largest of mse"),
        ("kl_by_class/3", 39 * 1.019, "same within 1.900%, the largest of kl_by_class/3"),
        ("active_latent_dimensions", 124, "same within 1.587%, the largest of active_latent_dimensions"),
        ("mse", 0.016 * 1.0051, "different: mse off by more than allowed"),
        ("kl", 36 * 0.994, "different: kl off by more than allowed"),
        ("kl_by_class/3", 39 * 1.021, "different: kl_by_class/3 off by more than allowed"),
        ("active_latent_dimensions", 123, "different: active_latent_dimensions off by more than allowed"),
        ("parameter_count", 476354, "different: parameter_count off by more than allowed"),
    ],
)
def test_other_bytes_are_the_same_within_what_is_allowed(name: str, value: float, line: str) -> None:
    environment = ENVIRONMENT | {"vector_instructions": "AVX2", "device": "cpu (1 threads)"}
    verdict = compare(COMMITTED, Result(ROUNDED, METRICS | {name: value}, environment))
    assert verdict.line == line
    assert verdict.good == line.startswith("same")
    assert verdict.details[:3] == [
        "other bytes: models/model.safetensors",
        "device: 'cpu (2 threads)' committed, 'cpu (1 threads)' here",
        "vector_instructions: 'AVX512' committed, 'AVX2' here",
    ]
    assert len(verdict.details) == 3 + len(METRICS)


def test_other_data_are_different_whatever_the_metrics() -> None:
    verdict = compare(COMMITTED, COMMITTED._replace(outputs=OUTPUTS | {"data/prepared.safetensors": "x"}))
    assert (verdict.line, verdict.good) == ("different: the prepared data differ", False)


def test_metric_that_was_zero_must_stay_so() -> None:
    committed = COMMITTED._replace(metrics={"kl": 0.0})
    assert compare(committed, Result(ROUNDED, {"kl": 0.0}, ENVIRONMENT)).good
    assert not compare(committed, Result(ROUNDED, {"kl": 1e-9}, ENVIRONMENT)).good


def test_other_names_of_metrics_are_different() -> None:
    assert compare(COMMITTED, Result(ROUNDED, {"mse": 0.016}, ENVIRONMENT)).line == (
        "different: the metrics have other names"
    )


def test_of_a_kind_of_metric_the_worst_class_is_shown() -> None:
    committed = COMMITTED._replace(metrics={"kl_by_class/1": 1.0, "kl_by_class/2": 1.0, "kl_by_class/3": 1.0})
    here = {"kl_by_class/1": 1.001, "kl_by_class/2": 0.99, "kl_by_class/3": 1.0}
    verdict = compare(committed, Result(ROUNDED, here, ENVIRONMENT))
    assert verdict.line == "same within 1.000%, the largest of kl_by_class/2"
    assert sum("kl_by_class" in line for line in verdict.details) == 1


def test_rounding_of_other_instructions_is_the_same_within_a_little_and_named(reproduced: WorkingCopy) -> None:
    before = reproduced.outputs()
    printed = reproduced.succeed("make", "verify", ATEN_CPU_CAPABILITY="default", ONEDNN_MAX_CPU_ISA="SSE41")
    assert "verify: vector_instructions: " in printed
    assert "verify: other bytes: models/model.safetensors" in printed
    assert printed.splitlines()[-1].startswith("verify: same within 0.")
    assert reproduced.outputs() == before
    assert reproduced.succeed("git", "status", "--porcelain") == ""


def test_without_committed_results_it_says_what_to_do(tmp_path: Path, tiny_server: TinyServer) -> None:
    copy = WorkingCopy(tmp_path / "clone", f"{tiny_server.address}/whole")
    with pytest.raises(verify.UserError, match=r"the last commit has no dvc\.lock: commit what `dvc repro` made"):
        verify.main(copy.folder)
