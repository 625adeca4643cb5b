"""The likelihood's estimate: its speed, and its agreement with itself and with pythae's on the same weights.

The weights are those of a preset's experiment on this commit, after `python tools/likelihood.py PRESET`. pythae runs in
an environment of its own (`make bench` makes it). The speed is that of the preset's network against a matrix product of
1024 × 1024, in turns.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from measure import ROOT, measured_on, run, spread
from mnist_vae.common import paths
from mnist_vae.common.catalogue import DATASETS
from mnist_vae.common.device import place
from mnist_vae.common.params import ModelParams, load_params
from mnist_vae.console.stage import UserError
from mnist_vae.data.binarisation import draw_bits
from mnist_vae.evaluation.likelihood import estimate_bounds
from mnist_vae.model.autoencoder import Autoencoder, build_autoencoder
from mnist_vae.model.file import TrainedModel, load_model
from mnist_vae.sources.prepare import prepare

sys.path.append(str(ROOT / "tools"))

from experiments import CommittedFiles
from presets import Preset, find_result, load_presets

_PRESETS = ("burda-vae", "burda-iwae-5", "burda-vae-fixed", "burda-iwae-5-fixed")  # those of the network 784-200-200
_PEER = ROOT / "benchmarks" / "contestants" / "pythae_nll.py"
_SIDE = 1024


def main() -> None:
    """Measure all that is asked for, and write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--result", type=Path, default=ROOT / "benchmarks" / "likelihood.json", help="where it goes")
    parser.add_argument("--peer", default=".venv-pythae/bin/python", help="the Python of pythae's environment")
    parser.add_argument("--preset", choices=_PRESETS, default=_PRESETS[0], help="whose weights are estimated")
    parser.add_argument("--samples", type=int, default=5000, help="importance samples of both evaluations")
    parser.add_argument("--peer-images", type=int, default=100, help="test images that pythae estimates as well")
    parser.add_argument("--repeats", type=int, default=5, help="turns of the speed, and seeds of both estimates")
    asked = parser.parse_args()
    if asked.repeats < 2:
        raise UserError("--repeats must be at least 2, for a standard deviation")
    preset = next(preset for preset in load_presets(ROOT) if preset.name == asked.preset)
    trained = _load_model(preset)
    model, params = trained.autoencoder, trained.origin.params
    content = {**measured_on(params), "preset": preset.name, "seed of the model": params.seed}
    grey = _test_images(params)
    content["checks"] = {
        **dict(_speeds(preset.params.of_model(), asked.repeats)),
        **dict(_two_evaluations(model, grey, params, asked.samples)),
        **dict(_beside_pythae(model, grey[: asked.peer_images], params, asked)),
    }
    asked.result.write_text(json.dumps(content, indent=2) + "\n", "utf-8")
    print(json.dumps(content, indent=2))


def _test_images(params: ModelParams) -> np.ndarray:
    dataset = DATASETS[params.dataset]
    return prepare(dataset, ROOT / paths.raw(params.dataset), params.image_size, 1, params.seed).test.images


def _two_evaluations(
    model: Autoencoder, grey: np.ndarray, params: ModelParams, samples: int
) -> Iterator[tuple[str, str]]:
    """The same weights with the noise of another seed, and with the bits and the noise of another seed."""

    def nll_with(bits_seed: int, noise_seed: int) -> np.ndarray:
        images = place(draw_bits(grey, bits_seed, "test"), model.device)
        return -estimate_bounds(model, images, noise_seed, samples, {}).log_likelihood[:, -1]

    first = nll_with(params.seed, params.seed)
    for name, other in (
        ("noise of two seeds, the same bits", nll_with(params.seed, params.seed + 1)),
        ("bits and noise of two seeds", nll_with(params.seed + 1, params.seed + 1)),
    ):
        differences = other - first
        apart, error = abs(differences.mean()), differences.std(ddof=1) / np.sqrt(len(grey))
        yield (
            f"NLL of {len(grey):,} images from {samples:,} samples, {name}",
            f"{first.mean():.3f} and {other.mean():.3f} nats: {apart:.3f} apart, standard error {error:.3f}",
        )


def _beside_pythae(
    model: Autoencoder, grey: np.ndarray, params: ModelParams, asked: argparse.Namespace
) -> Iterator[tuple[str, str]]:
    """Pythae's get_nll of the same weights and bits, both with several seeds of the noise."""
    bits = draw_bits(grey, params.seed, "test")
    ours = [
        float(estimate_bounds(model, place(bits, model.device), seed, asked.samples, {}).nll()[-1])
        for seed in range(asked.repeats)
    ]
    sizes = {"side": params.image_size, "widths": params.mlp_widths, "latent_dim": params.latent_dim}
    sizes |= {"hidden": params.activation, "threads": params.threads}
    sizes |= {"samples": asked.samples, "seeds": asked.repeats}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.safetensors"
        weights = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
        save_file(weights | {"images": torch.from_numpy(bits)}, file)
        command = [asked.peer, str(_PEER), str(file), json.dumps(sizes)]
        done = subprocess.run(command, cwd=ROOT, env={"PYTHONPATH": "src"}, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"pythae failed: {done.stderr.strip().splitlines()[-1]}")
    theirs = json.loads(done.stdout.splitlines()[-1])
    mean, deviation = _mean_and_deviation(ours)
    their_mean, their_deviation = _mean_and_deviation(theirs["nll"])
    yield (
        f"NLL of {len(grey)} images from {asked.samples:,} samples: ours, {asked.repeats} seeds of the noise",
        f"{mean:.3f} nats, standard deviation {deviation:.3f}",
    )
    apart, error = abs(their_mean - mean), np.sqrt((deviation**2 + their_deviation**2) / asked.repeats)
    yield (
        f"the same by pythae 0.1.2's `get_nll`, {asked.repeats} seeds of the noise",
        f"{their_mean:.3f} nats, standard deviation {their_deviation:.3f}: {apart:.3f} ± {error:.3f} apart",
    )
    yield "seconds of it, and of ours", f"{theirs['seconds']:.0f} and {_seconds_of(model, bits, asked.samples):.0f}"


def _mean_and_deviation(values: Sequence[float]) -> tuple[float, float]:
    return float(np.mean(values)), float(np.std(values, ddof=1))


def _seconds_of(model: Autoencoder, bits: np.ndarray, samples: int) -> float:
    return _timed(lambda: estimate_bounds(model, place(bits, model.device), 0, samples, {}))


def _load_model(preset: Preset) -> TrainedModel:
    experiment = find_result(preset, ROOT)
    if experiment is None:
        raise UserError(f"{preset.name} has no result on this commit: python tools/likelihood.py {preset.name}")
    with tempfile.TemporaryDirectory() as folder:
        CommittedFiles(ROOT, experiment.commit).copy(paths.MODEL, Path(folder) / paths.MODEL.name)
        return load_model(Path(folder) / paths.MODEL.name, torch.device("cpu"))


def _speeds(params: ModelParams, repeats: int) -> Iterator[tuple[str, str]]:
    """The estimate's share of the matrix product's rate; how long the default network's estimate takes."""
    model, images, samples = build_autoencoder(params), _noise_images(100, 28), 1000
    operations = 2 * sum(weight.numel() for weight in model.decoder.parameters() if weight.ndim > 1)
    matrix = torch.randn(_SIDE, _SIDE)
    shares, rates = [], []
    for _ in range(repeats):
        seconds = _timed(lambda: estimate_bounds(model, images, 0, samples, {}))
        rates.append(len(images) * samples / seconds)
        product = min(_timed(lambda: matrix @ matrix) for _ in range(20))
        shares.append(operations * rates[-1] * product / (2 * _SIDE**3))
    rate, share = spread(rates), spread(shares)
    yield "samples per second, 784-200-200", f"{rate['median']:,.0f} ({rate['min']:,.0f} to {rate['max']:,.0f})"
    yield "share of the matrix product's rate", f"{share['median']:.0%} ({share['min']:.0%} to {share['max']:.0%})"
    standard = load_params(ROOT / paths.PARAMS)
    default, few = build_autoencoder(standard.of_model()), _noise_images(200, standard.image_size)
    seconds = _timed(lambda: estimate_bounds(default, few, 0, standard.likelihood_samples, {}))
    yield "seconds of the default network's estimate, of 10,000 images", f"{seconds * 10_000 / len(few):.0f}"


def _noise_images(count: int, side: int) -> Tensor:
    return torch.randint(0, 2, (count, 1, side, side), dtype=torch.uint8) * 255


def _timed(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


if __name__ == "__main__":
    run(main)
