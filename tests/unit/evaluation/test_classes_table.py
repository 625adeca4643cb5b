import csv
from pathlib import Path

import numpy as np
import pytest

from builders import tiny_images, tiny_model
from mnist_vae.evaluation.metrics import Metrics, compute_metrics, evaluate, save_metrics

NAMES = ("a, b", 'the "other"', "ü")


def _metrics(labels: np.ndarray, count: int) -> Metrics:
    model = tiny_model().eval()
    return compute_metrics(model, evaluate(model, tiny_images(len(labels)), seed=0), labels, 256, count)


@pytest.mark.parametrize("names", [NAMES, ()])
def test_table_has_a_line_for_each_class_by_its_name(tmp_path: Path, names: tuple[str, ...]) -> None:
    metrics = _metrics((np.arange(12) % max(len(names), 1)).astype(np.uint8), len(names))
    save_metrics(metrics, tmp_path / "metrics", tmp_path / "classes", names)
    with (tmp_path / "classes").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["class"] for row in rows] == list(names)
    for row, of in zip(rows, metrics.classes, strict=True):
        assert float(row["mse_minus1_to_1"]) == of.mse_minus1_to_1
    assert (tmp_path / "classes").read_text("utf-8").startswith("class,mse_minus1_to_1,kl_nats\n")


def test_means_of_classes_weigh_up_to_that_of_all() -> None:
    labels = np.array([0] * 3 + [1] * 9, np.uint16)
    metrics = _metrics(labels, 2)
    first, second = (of.mse_minus1_to_1 for of in metrics.classes)
    assert (3 * first + 9 * second) / 12 == pytest.approx(metrics.mse_minus1_to_1)
