from pathlib import Path

import numpy as np
import pytest
import torch

from builders import tiny_images, tiny_model
from mnist_vae.evaluation.kept import FOLDERS, KeptParts, estimate_key
from mnist_vae.evaluation.likelihood import estimate_bounds

CPU = torch.device("cpu")
IMAGES = (tiny_images(23) > 127).to(torch.uint8) * 255


class StoppedError(Exception):
    pass


@pytest.mark.parametrize("after", [1, 2])
def test_killed_estimate_resumes_to_the_same_bits(tmp_path: Path, after: int) -> None:
    model = tiny_model(network="mlp", reconstruction="bernoulli", reduction="sum", kl_weight=1)
    expected = estimate_bounds(model, IMAGES, 0, 12, {}).log_likelihood
    kept, done = KeptParts(tmp_path, "k", seconds=0.0), []

    def stop(images: int) -> None:
        kept.on_part(images)
        done.append(images)
        if len(done) == after:
            raise StoppedError

    with pytest.raises(StoppedError):
        estimate_bounds(model, IMAGES, 0, 12, kept.parts, stop)
    again = KeptParts(tmp_path, "k")
    assert again.images == 10 * after
    decoded = []
    model.decoder.register_forward_hook(lambda _, inputs, __: decoded.append(len(inputs[0])))
    assert np.array_equal(estimate_bounds(model, IMAGES, 0, 12, again.parts).log_likelihood, expected)
    assert sum(decoded) == (23 - 10 * after) * 12
    again.remove()
    assert list(tmp_path.iterdir()) == []


def test_what_takes_little_time_is_not_written(tmp_path: Path) -> None:
    kept = KeptParts(tmp_path, "k", seconds=1000.0)
    kept.parts[0] = np.zeros((100, 2))
    kept.on_part(100)
    assert list(tmp_path.iterdir()) == []


def test_estimates_with_another_key_are_apart(tmp_path: Path) -> None:
    kept = KeptParts(tmp_path, "k", seconds=0.0)
    kept.parts[0] = np.zeros((100, 2))
    kept.on_part(100)
    assert KeptParts(tmp_path, "other").parts == {}
    assert list(KeptParts(tmp_path, "k").parts) == [0]


@pytest.mark.parametrize("content", [b"", b"damaged", b"\0" * 100])
def test_file_that_cannot_be_used_is_told_in_a_line(
    tmp_path: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "likelihood-k.safetensors").write_bytes(content)
    assert KeptParts(tmp_path, "k").parts == {}
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("evaluate: estimating the likelihood from the beginning: ")


def test_weights_images_samples_and_device_count(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_bytes(b"1")
    second.write_bytes(b"2")
    keys = [
        estimate_key(first, first, 5, CPU),
        estimate_key(second, first, 5, CPU),
        estimate_key(first, second, 5, CPU),
        estimate_key(first, first, 6, CPU),
        estimate_key(first, first, 5, torch.device("cuda")),
    ]
    assert len(set(keys)) == len(keys)
    assert estimate_key(first, first, 5, CPU) == keys[0]
    assert set(FOLDERS) == {"common", "data", "model", "evaluation"}
