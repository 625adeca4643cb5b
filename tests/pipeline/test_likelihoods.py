"""A system of binarised images through the whole pipeline, with the tiny data set."""

import csv
import json
from pathlib import Path

from working_copy import WorkingCopy

SYSTEM = {
    "image_size": 28,
    "binarisation": "dynamic",
    "network": "mlp",
    "mlp_widths": [20, 10],
    "activation": "tanh",
    "output_bias": "mean_image",
    "reconstruction": "bernoulli",
    "reduction": "sum",
    "kl_weight": 1,
    "importance_samples": 3,
    "likelihood_samples": 40,
}


def test_pipeline_gives_the_bounds_and_takes_more_samples_without_training_again(
    reproduced: WorkingCopy, tmp_path: Path
) -> None:
    copy = reproduced.copied_to(tmp_path / "clone")
    for name, value in SYSTEM.items():
        copy.set_param(name, value)
    copy.succeed("dvc", "repro")
    metrics = json.loads((copy.folder / "reports" / "metrics.json").read_text())
    assert metrics["nll_nats_k1"] > metrics["nll_nats_k10"] > metrics["nll_nats_k40"] == metrics["nll_nats"] > 0
    with (copy.folder / "reports" / "classes.csv").open(newline="") as file:
        classes = [float(row["nll_nats"]) for row in csv.DictReader(file)]
    assert min(classes) < metrics["nll_nats"] < max(classes)
    model = (copy.folder / "models" / "model.safetensors").read_bytes()
    copy.set_param("likelihood_samples", 120)
    told = copy.succeed("dvc", "repro")
    assert "Stage 'train' didn't change, skipping" in told
    assert (copy.folder / "models" / "model.safetensors").read_bytes() == model
    more = json.loads((copy.folder / "reports" / "metrics.json").read_text())
    assert more["nll_nats"] < metrics["nll_nats"]
    assert (more["nll_nats_k1"], more["nll_nats_k10"]) == (metrics["nll_nats_k1"], metrics["nll_nats_k10"])
    assert list((copy.folder / "checkpoints").glob("likelihood-*")) == []
