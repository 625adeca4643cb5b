"""Training throughput against the tutorial's way, interleaved on this machine, into benchmarks/throughput.json.

The tutorial's way: a DataLoader, each image resized, made a tensor and normalised on its own, default Adam, plain
convolutions throughout, and .item() at each step. The network, the loss and the batch are the same.
"""

import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from mnist_vae.autoencoder import build_autoencoder
from mnist_vae.datasets import DATASETS
from mnist_vae.device import describe, prepare_device
from mnist_vae.idx import read_idx
from mnist_vae.params import ModelParams, load_params
from mnist_vae.prepared import load_prepared
from mnist_vae.stage import run_stage
from mnist_vae.training import Training

_IMAGES = 6400
_REPEATS = 7


class _RawImages(Dataset):
    """The original training images as torchvision gives them: a PIL image each, then the tutorial's transforms."""

    def __init__(self, folder: Path):
        self.images = torch.from_numpy(read_idx(folder / DATASETS["mnist"].train_images.name, 3)[:_IMAGES].copy())
        self.transform = transforms.Compose(
            [transforms.Resize(32), transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))]
        )

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int):
        return self.transform(Image.fromarray(self.images[index].numpy()))


class _TutorialVae(nn.Module):
    """The same network, of plain convolutions."""

    def __init__(self, channels: int, latent_dim: int):
        super().__init__()
        self.body = nn.Sequential(
            *_layer(nn.Conv2d(1, channels, 4, 2, 1), channels),
            *_layer(nn.Conv2d(channels, 2 * channels, 4, 2, 1), 2 * channels),
            *_layer(nn.Conv2d(2 * channels, 4 * channels, 4, 2, 1), 4 * channels),
        )
        self.mean = nn.Conv2d(4 * channels, latent_dim, 4)
        self.log_variance = nn.Conv2d(4 * channels, latent_dim, 4)
        self.decoder = nn.Sequential(
            *_layer(nn.ConvTranspose2d(latent_dim, 4 * channels, 4), 4 * channels),
            *_layer(nn.ConvTranspose2d(4 * channels, 2 * channels, 4, 2, 1), 2 * channels),
            *_layer(nn.ConvTranspose2d(2 * channels, channels, 4, 2, 1), channels),
            nn.ConvTranspose2d(channels, 1, 4, 2, 1),
            nn.Tanh(),
        )

    def loss(self, images: Tensor, kl_weight: float) -> Tensor:
        features = self.body(images)
        mean, log_variance = self.mean(features), self.log_variance(features)
        code = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
        kl = -0.5 * torch.mean(1 + log_variance - mean.pow(2) - log_variance.exp())
        return nn.functional.mse_loss(self.decoder(code), images) + kl_weight * kl


def main(raw: Path, prepared_path: Path, result_path: Path) -> None:
    params = load_params(Path("params.yaml")).of_model().model_copy(update={"epochs": 1})
    device = prepare_device(params.device, params.threads, deterministic=params.deterministic)
    candidates = {
        "tutorial, DataLoader in the process": _tutorial(params, raw, device, workers=0),
        "tutorial, DataLoader with 4 workers": _tutorial(params, raw, device, workers=4),
        "this project": _ours(params, prepared_path, device),
    }
    rates: dict[str, list[float]] = {name: [] for name in candidates}
    for repeat in range(_REPEATS + 1):
        for name, run in candidates.items():
            start = time.perf_counter()
            run()
            rate = _IMAGES / (time.perf_counter() - start)
            print(f"{name}: {rate:,.0f} images/s{'' if repeat else ' (not counted)'}", flush=True)
            if repeat:
                rates[name].append(rate)
    result_path.write_text(json.dumps(_summary(rates, describe(device)), indent=2) + "\n")


def _summary(rates: dict[str, list[float]], device: str) -> dict:
    ours = rates["this project"]
    rows = {}
    for name, values in rates.items():
        ratios = [mine / theirs for mine, theirs in zip(ours, values, strict=True)]
        rows[name] = {
            "images_per_second": {"median": statistics.median(values), "min": min(values), "max": max(values)},
            "speed_of_this_project_relative_to_it": {
                "median": statistics.median(ratios),
                "min": min(ratios),
                "max": max(ratios),
            },
        }
    machine = f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}, training on {device}"
    return {"machine": machine, "images_a_run": _IMAGES, "repeats": _REPEATS, "rows": rows}


def _tutorial(params: ModelParams, raw: Path, device: torch.device, workers: int) -> Callable[[], None]:
    model = _TutorialVae(params.base_channels, params.latent_dim).to(device)
    optimizer = torch.optim.Adam(model.parameters(), params.learning_rate, params.adam_betas)
    loader = DataLoader(_RawImages(raw), params.batch_size, shuffle=True, num_workers=workers)

    def run() -> None:
        # The tutorial does not ask for repeatable results, so it does not pay for them either.
        torch.use_deterministic_algorithms(mode=False)
        losses = []
        for batch in loader:
            optimizer.zero_grad()
            loss = model.loss(batch.to(device), params.kl_weight)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        torch.use_deterministic_algorithms(mode=True)

    return run


def _ours(params: ModelParams, prepared_path: Path, device: torch.device) -> Callable[[], None]:
    prepared = load_prepared(prepared_path)
    images = torch.from_numpy(prepared.train.images[:_IMAGES]).to(device)
    validation_images = torch.from_numpy(prepared.validation.images[:1]).to(device)
    model = build_autoencoder(params).to(device)

    def run() -> None:
        for _ in Training(model, images, validation_images, params).run():
            pass

    return run


def _layer(convolution: nn.Module, channels: int) -> list[nn.Module]:
    return [convolution, nn.BatchNorm2d(channels), nn.ReLU()]


if __name__ == "__main__":
    run_stage(main)
