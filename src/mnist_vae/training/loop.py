"""The training loop. `fit` uses no files, no terminal and no MLflow; these are callbacks."""

import time
from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import UInt8
from torch import Tensor

from mnist_vae.common.device import EVALUATION_BATCH, autocast, place, tensor_cores
from mnist_vae.common.params import ModelParams
from mnist_vae.common.seeds import derived_seed
from mnist_vae.console.stage import UserError
from mnist_vae.data.binarisation import draw_bits
from mnist_vae.data.history import EpochHistory, EpochRow, StepRow
from mnist_vae.model.autoencoder import Autoencoder
from mnist_vae.model.loss import Terms
from mnist_vae.training.adam import Adam
from mnist_vae.training.distributed import Ranks
from mnist_vae.training.schedule import scheduled_rate, warmup_share
from mnist_vae.training.state import Training, TrainingState, pack, unpack
from mnist_vae.training.step import CapturedStep, Step, make_step


class TrainingImages(NamedTuple):
    """The training and the validation images, on the model's device."""

    train: UInt8[Tensor, "N 1 S S"]
    validation: UInt8[Tensor, "M 1 S S"]


@runtime_checkable
class Callback(Protocol):
    """What `fit` calls during a training. A callback must not change the training."""

    def on_step(self, training: Training) -> None:
        """Called after each step. The step is the last one of `training.terms`."""

    def on_epoch_end(self, training: Training) -> None:
        """Called after each epoch. The epoch is the last one of `training.histories`."""


def fit(
    model: Autoencoder,
    images: TrainingImages,
    params: ModelParams,
    resume: TrainingState | None = None,
    callbacks: Sequence[Callback] = (),
    ranks: Ranks = Ranks(),
) -> list[EpochHistory]:
    """Train a model in place with Adam (Kingma & Ba 2015), from the start or from the state `resume`.

    The order of images, the noise and dynamic bits of the images are functions of the seed and the epoch, so a resumed
    training ends as one that was never interrupted. Of several ranks, the main process validates, calls back and
    returns the history. Raises UserError when a loss or a weight is not finite.
    """
    training, step = _begin(model, images, params, resume, ranks)
    code = (params.latent_dim,)
    codes = (params.importance_samples, *code) if params.samples_the_bound else code  # of an image in a step
    schedule, images_of_epochs = params.learning_rate_schedule, params.images_of_epochs(len(images.train))
    for epoch, count in list(enumerate(images_of_epochs, start=1))[training.epoch - 1 :]:
        model.train()
        began, resumed_at = time.monotonic(), training.step
        order = torch.randperm(len(images.train), generator=_generator(params, "order of images", epoch))[:count]
        noise_source = _generator(params, "noise", epoch, model.device)
        seen = _seen(images.train, params, epoch)
        with tensor_cores(params.precision, model.device):
            for number, batch in enumerate(order.to(model.device).split(params.batch_size)):
                noise = torch.randn(len(batch), *codes, generator=noise_source, device=model.device)
                if number < resumed_at:  # done before the training was interrupted
                    continue
                rate = scheduled_rate(params.learning_rate, schedule, training.steps_done, training.all_steps)
                training.optimizer.set_rate(rate)
                kl_share = warmup_share(epoch, params.kl_warmup_epochs)
                shard, shard_noise = seen[ranks.shard(batch)], ranks.shard(noise)
                training.end_step(step(shard, shard_noise, kl_share, len(batch)))
                for callback in callbacks:
                    callback.on_step(training)
        history = None
        if ranks.is_main:
            validation = validate(model, images.validation)
            images_per_second = (count - resumed_at * params.batch_size) / (time.monotonic() - began)
            history = _history(training, count, params.batch_size, validation, images_per_second)
        training.end_epoch(history)
        for callback in callbacks:
            callback.on_epoch_end(training)
    return training.histories


def validate(model: Autoencoder, images: UInt8[Tensor, "N 1 S S"]) -> Terms:
    """Loss, reconstruction error and KL at the mean codes, in evaluation mode, as float64 means over the images."""
    model.eval()
    with torch.inference_mode():
        terms = [torch.stack(model.terms(batch, noise=None)) for batch in images.split(EVALUATION_BATCH)]
    return Terms(*(values.mean() for values in torch.cat(terms, dim=1).cpu().double()))


def _begin(
    model: Autoencoder, images: TrainingImages, params: ModelParams, resume: TrainingState | None, ranks: Ranks
) -> tuple[Training, Step | CapturedStep]:
    if params.output_bias == "mean_image":
        model.start_at_mean(images.train)
    first, second = params.adam_betas
    adam = Adam(model.parameters(), params.learning_rate, (first, second), epsilon=params.adam_epsilon)
    training = Training(model, adam, params.steps_of_epochs(len(images.train)))
    if packed := ranks.broadcast(pack(resume) if resume else b""):
        training.restore(unpack(packed))
    model.autocast = autocast(params.precision, model.device)
    return training, make_step(ranks.replicate(model), adam, ranks, params.batch_size)


def _seen(images: UInt8[Tensor, "N 1 S S"], params: ModelParams, epoch: int) -> UInt8[Tensor, "N 1 S S"]:
    """The training images as an epoch sees them: with bits of its own, the same on each rank, if they are dynamic."""
    if params.binarisation != "dynamic":
        return images
    return place(draw_bits(images.cpu().numpy(), params.seed, "train", epoch), images.device)


def _history(training: Training, images: int, batch_size: int, validation: Terms, speed: float) -> EpochHistory:
    """The history of the epoch in progress, after its last step."""
    if not torch.stack(validation).isfinite().all():
        raise UserError(f"the validation loss was not finite after epoch {training.epoch}: lower learning_rate")
    terms = training.terms.cpu().double()
    numbered = enumerate(terms[:, 0].tolist(), start=training.steps_done - training.step + 1)
    steps = [StepRow(training.epoch, number, loss) for number, loss in numbered]
    sizes = torch.full((len(terms),), batch_size)
    sizes[-1] = images - batch_size * (len(terms) - 1)  # the last batch takes what is left
    means = (terms * sizes[:, None]).sum(dim=0) / images
    return EpochHistory(EpochRow(training.epoch, *means.tolist(), *map(float, validation)), steps, speed)


def _generator(
    params: ModelParams, purpose: str, epoch: int, device: torch.device = torch.device("cpu")
) -> torch.Generator:
    return torch.Generator(device).manual_seed(derived_seed(params.seed, purpose, epoch))
