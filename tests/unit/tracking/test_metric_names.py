import pytest
from mlflow.utils.validation import _validate_metric_name

from mnist_vae.tracking.backfill import _metric_part

NAMES = [
    "7",
    "cat",
    "golden retriever",
    "é",
    "日本",
    "a+b",
    "a-b",
    "c#",
    "...",
    "x" * 240,
    "x" * 239 + "y",
    "(",
    "{",
    "'",
]


@pytest.mark.parametrize("name", NAMES)
def test_every_class_has_a_name_that_mlflow_takes(name: str) -> None:
    _validate_metric_name(f"test/mse_minus1_to_1/{_metric_part(name, 3)}")


def test_names_stay_different_and_plain_names_unchanged() -> None:
    parts = [_metric_part(name, number) for number, name in enumerate(NAMES)]
    assert len(set(parts)) == len(NAMES)
    assert parts[:5] == NAMES[:5]
