"""The tutorial's training loop: a DataLoader that resizes and normalises each image, Adam, and .item() in each step.

Command line: the number of images, and the number of the DataLoader's workers.
"""

import sys

import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from contest import answer
from mnist_vae.common import paths
from mnist_vae.common.catalogue import DATASETS
from mnist_vae.common.device import find_device
from mnist_vae.common.params import load_params
from mnist_vae.model.networks.conv import Decoder, Encoder
from mnist_vae.sources.idx import read_idx


class _RawImages(Dataset):
    """The original training images as in torchvision: each as a PIL image, to which the tutorial's transforms apply."""

    def __init__(self, dataset: str, count: int, size: int):
        file = DATASETS[dataset].train_images
        self.images = torch.from_numpy(read_idx(file.find(paths.raw(dataset)), 3)[:count].copy())
        self.transform = transforms.Compose(
            [transforms.Resize(size), transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))]
        )

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int):
        return self.transform(Image.fromarray(self.images[index].numpy()))


def main(images: int, workers: int) -> None:
    params = load_params(paths.PARAMS).of_model()
    device = find_device(params.device)
    torch.set_num_threads(params.threads)
    encoder = Encoder(params.image_size, params.conv_channels, 2 * params.latent_dim).to(device)
    decoder = Decoder(params.image_size, params.conv_channels, params.latent_dim, nn.Tanh).to(device)
    weights = [*encoder.parameters(), *decoder.parameters()]
    optimizer = torch.optim.Adam(weights, params.learning_rate, params.adam_betas)
    dataset = _RawImages(params.dataset, images, params.image_size)
    loader = DataLoader(dataset, params.batch_size, shuffle=True, num_workers=workers)

    def run() -> None:
        losses = []
        for batch in loader:
            optimizer.zero_grad()
            loss = _loss(encoder, decoder, batch.to(device), params.kl_weight)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())

    answer(run)


def _loss(encoder: Encoder, decoder: Decoder, images: Tensor, kl_weight: float) -> Tensor:
    """The tutorial's loss: mean squared error per pixel + kl_weight · mean KL per latent dimension."""
    mean, log_variance = encoder(images).chunk(2, dim=1)
    code = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
    kl = -0.5 * torch.mean(1 + log_variance - mean.pow(2) - log_variance.exp())
    return nn.functional.mse_loss(decoder(code), images) + kl_weight * kl


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
