"""The tutorial's loop: a DataLoader, each image resized, made a tensor and normalised on its own, Adam, and .item() at
each step.

Command line: the folder of the original files, the number of images, the DataLoader's workers.
"""

import sys
from pathlib import Path

import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from contest import answer
from mnist_vae.common.catalogue import DATASETS
from mnist_vae.common.device import find_device
from mnist_vae.common.params import load_params
from mnist_vae.sources.idx import read_idx
from plain_network import Decoder, Encoder, loss


class _RawImages(Dataset):
    """The original training images as torchvision gives them: a PIL image each, then the tutorial's transforms."""

    def __init__(self, folder: Path, count: int):
        self.images = torch.from_numpy(read_idx(folder / DATASETS["mnist"].train_images.name, 3)[:count].copy())
        self.transform = transforms.Compose(
            [transforms.Resize(32), transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))]
        )

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int):
        return self.transform(Image.fromarray(self.images[index].numpy()))


def main(raw: Path, images: int, workers: int) -> None:
    params = load_params(Path("params.yaml")).of_model()
    device = find_device(params.device)
    torch.set_num_threads(params.threads)
    encoder = Encoder(params.base_channels, params.latent_dim).to(device)
    decoder = Decoder(params.base_channels, params.latent_dim).to(device)
    weights = [*encoder.parameters(), *decoder.parameters()]
    optimizer = torch.optim.Adam(weights, params.learning_rate, params.adam_betas)
    loader = DataLoader(_RawImages(raw, images), params.batch_size, shuffle=True, num_workers=workers)

    def run() -> float:
        losses = []
        for batch in loader:
            optimizer.zero_grad()
            value = loss(encoder, decoder, batch.to(device), params.kl_weight)
            value.backward()
            optimizer.step()
            losses.append(value.item())
        return losses[-1]

    answer(run)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
