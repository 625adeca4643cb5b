import json
from pathlib import Path

from mnist_vae.common import paths
from mnist_vae.tracking.backfill import _test_points


def test_bounds_are_one_curve_by_their_numbers_of_samples(tmp_path: Path) -> None:
    (tmp_path / "reports").mkdir()
    metrics = {"kl_nats": 25.0, "nll_nats": 86.8, "nll_nats_k1": 91.0, "nll_nats_k10": 88.0, "nll_nats_k100": 86.8}
    (tmp_path / paths.METRICS).write_text(json.dumps(metrics))
    (tmp_path / paths.CLASSES).write_text("class,kl_nats,nll_nats\n0,30.0,90.5\n")
    curve = {(1, 91.0), (10, 88.0), (100, 86.8)}
    points = {(point.name, point.step, point.value) for point in _test_points(tmp_path)}
    assert points == {
        ("test/kl_nats", 0, 25.0),
        ("test/nll_nats", 0, 86.8),
        ("test/kl_nats/0", 0, 30.0),
        ("test/nll_nats/0", 0, 90.5),
        *(("test/nll_nats_by_samples", step, value) for step, value in curve),
    }
