"""The training loop. It knows nothing of files, of the terminal, or of MLflow."""

from collections.abc import Callable, Iterator

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from mnist_vae.autoencoder import Autoencoder
from mnist_vae.history import EpochHistory, EpochRow, StepRow
from mnist_vae.objective import Terms, warmup_share
from mnist_vae.params import ModelParams
from mnist_vae.randomness import derived_seed
from mnist_vae.stage import StageError

_EVALUATION_BATCH = 1000  # bounds the memory; only free bits, which take a batch's mean, depend on it


# Called after each step with the epoch and the mean terms of its steps so far. The terms lie on the device: reading
# them waits for it, so a watcher that must not slow training down reads them seldom.
StepWatcher = Callable[[int, Float[Tensor, "steps 3"]], None]


def train(
    model: Autoencoder,
    train_images: UInt8[Tensor, "N 1 S S"],
    validation_images: UInt8[Tensor, "M 1 S S"],
    params: ModelParams,
    watch: StepWatcher,
) -> Iterator[EpochHistory]:
    """Train the model in place by Adam (Kingma & Ba 2015), yielding each epoch's history.

    The order of images and the noise are functions of the seed and the epoch. Images lie on the model's device whole.
    The loss of training images takes the share of the KL's weight that the epoch's warm-up gives, that of validation
    images the whole.
    Raises StageError after an epoch in which the loss was not finite.
    """
    first, second = params.adam_betas
    optimizer = torch.optim.Adam(model.parameters(), params.learning_rate, (first, second), fused=True)
    for epoch in range(1, params.epochs + 1):
        terms = _train_epoch(model, optimizer, train_images, params, epoch, watch).cpu().double()
        done = (epoch - 1) * len(terms)
        if not terms.isfinite().all():
            step = done + 1 + int((~terms.isfinite()).any(dim=1).nonzero()[0])
            raise StageError(f"the loss was no finite number in epoch {epoch}, step {step}: lower learning_rate")
        steps = [StepRow(epoch, done + step, loss) for step, loss in enumerate(terms[:, 0].tolist(), start=1)]
        sizes = _batch_sizes(len(train_images), params.batch_size)
        means = (terms * sizes[:, None]).sum(dim=0) / sizes.sum()
        validation = mean_terms(model, validation_images)
        yield EpochHistory(EpochRow(epoch, *means.tolist(), *map(float, validation)), steps)


def mean_terms(model: Autoencoder, images: UInt8[Tensor, "N 1 S S"]) -> Terms:
    """Loss, distortion and rate at the mean codes, in evaluation mode, as means over the images in float64."""
    model.eval()
    with torch.inference_mode():
        batches = [torch.stack(model.terms(batch, noise=None)) for batch in images.split(_EVALUATION_BATCH)]
    return Terms(*torch.cat(batches, dim=1).cpu().double().mean(dim=1))


def _train_epoch(
    model: Autoencoder,
    optimizer: torch.optim.Optimizer,
    images: UInt8[Tensor, "N 1 S S"],
    params: ModelParams,
    epoch: int,
    watch: StepWatcher,
) -> Float[Tensor, "steps 3"]:
    model.train()
    rate_share = warmup_share(epoch, params.kl_warmup_epochs)
    device = images.device
    order = torch.randperm(len(images), generator=_generator(params.seed, "order of images", epoch, "cpu")).to(device)
    noise_source = _generator(params.seed, "noise", epoch, device)
    batches = order.split(params.batch_size)
    history = torch.empty(len(batches), 3, device=device)
    for step, batch in enumerate(batches):
        noise = torch.randn(len(batch), params.latent_dim, generator=noise_source, device=device)
        terms = model.terms(images[batch], noise, rate_share)
        loss = terms.loss.mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        # Kept on the device: nothing here waits for it.
        history[step, 0], history[step, 1], history[step, 2] = (term.detach().mean() for term in terms)
        watch(epoch, history[: step + 1])
    return history


def _generator(seed: int, purpose: str, epoch: int, device: torch.device | str) -> torch.Generator:
    return torch.Generator(device).manual_seed(derived_seed(seed, purpose, epoch))


def _batch_sizes(images: int, batch_size: int) -> Tensor:
    whole, rest = divmod(images, batch_size)
    return torch.tensor([batch_size] * whole + [rest] * (rest > 0))
