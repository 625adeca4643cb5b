"""The training loop. It knows nothing of files, of the terminal, or of MLflow."""

from collections.abc import Callable, Iterator

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from mnist_vae.common.params import ModelParams
from mnist_vae.common.precision import use_precision
from mnist_vae.common.seeds import derived_seed
from mnist_vae.console.stage import UserError
from mnist_vae.data.history import EpochHistory, EpochRow, StepRow
from mnist_vae.model.autoencoder import Autoencoder
from mnist_vae.model.loss import warmup_share
from mnist_vae.training.ranks import OneProcess, Ranks
from mnist_vae.training.schedule import initial_rate, set_rate
from mnist_vae.training.state import (
    TrainingState,
    adam_tensors,
    named_tensors,
    require_fit,
    restore_adam,
    spoilt_tensors,
    state_from,
)
from mnist_vae.training.step import make_step
from mnist_vae.training.validation import mean_terms

_STEPS_BETWEEN_CHECKS = 100  # on a device, where each check waits for it


# Called after each step. Reading the terms of the training waits for the device, so a watcher that must not slow it
# down reads them seldom.
StepWatcher = Callable[["Training"], None]


def _unwatched(_: "Training") -> None:
    pass


class Training:
    """Trains a model in place by Adam (Kingma & Ba 2015), on images that lie on the model's device or on the CPU.

    The order of images and the noise are functions of the seed and the epoch, so a training that goes on from a state
    ends with the bits of one that was never broken off. Each of several ranks trains its own copy of the model on its
    part of every batch, to the same weights; what the training says, it says on all of them.
    """

    def __init__(
        self,
        model: Autoencoder,
        images: UInt8[Tensor, "N 1 S S"],
        validation_images: UInt8[Tensor, "M 1 S S"],
        params: ModelParams,
        ranks: OneProcess | Ranks = OneProcess(),
    ):
        self.model, self.images, self.validation_images, self.params = model, images, validation_images, params
        self._ranks = ranks
        is_on_cuda, (first, second) = model.device.type == "cuda", params.adam_betas
        self._adam = torch.optim.Adam(
            model.parameters(), initial_rate(params, model.device), (first, second), fused=True, capturable=is_on_cuda
        )
        model.training_context = use_precision(params.precision, model.device)
        self._step = make_step(ranks.replicate(model), self._adam, ranks, params.batch_size)
        self.epoch = 1
        # Kept on the device: nothing in a step waits for it.
        self._batches = -(-len(images) // params.batch_size)
        self._history = torch.empty(self._batches, 3, device=model.device)
        self._steps = 0

    @property
    def terms(self) -> Float[Tensor, "steps 3"]:
        """The mean loss, distortion and rate of each step of the epoch so far, on the device."""
        return self._history[: self._steps]

    def state(self) -> TrainingState:
        """Where the training stands, between two steps. The tensors are the training's own: they change with it.

        Raises UserError instead if a loss or a weight is no finite number.
        """
        self._check_loss()
        state = TrainingState(self.epoch, self.terms, self.model.state_dict(), adam_tensors(self._adam))
        if spoilt := spoilt_tensors(state):
            done = (self.epoch - 1) * self._batches + self._steps
            epoch = -(-done // self._batches)
            raise UserError(f"{spoilt[0]} was not finite in epoch {epoch}, after step {done}: lower learning_rate")
        return state

    def restore(self, state: TrainingState) -> None:
        """Go on from a state of a training of the same model, data and parameters.

        Raises ValueError, and changes nothing, for one that is not.
        """
        require_fit(state, self.model, self.params.epochs, self._batches)
        self.model.load_state_dict(state.model)
        restore_adam(self._adam, state.adam)
        self.epoch, self._steps = state.epoch, len(state.terms)
        self._history[: self._steps] = state.terms

    def begin_together(self) -> None:
        """Go on, on all ranks, from where the first one stands."""
        state = self._ranks.share(named_tensors(self.state()))
        if self._ranks.rank > 0:
            self.restore(state_from(state))

    def follow(self) -> None:
        """What the ranks but the first do: go along with that to the end."""
        self.begin_together()
        for _ in self.run():
            pass

    def run(self, watch: StepWatcher = _unwatched) -> Iterator[EpochHistory]:
        """Train to the last epoch, yielding the history of each that ends.

        The loss of training images takes the share of the KL's weight that the epoch's warm-up gives, that of
        validation images the whole. Raises UserError when the loss is no finite number.
        """
        while self.epoch <= self.params.epochs:
            self._run_epoch(watch)
            self._check_loss()
            history = self._epoch_history()
            self.epoch, self._steps = self.epoch + 1, 0
            yield history

    def _run_epoch(self, watch: StepWatcher) -> None:
        self.model.train()
        params, device = self.params, self.model.device
        rate_share = warmup_share(self.epoch, params.kl_warmup_epochs)
        order = torch.randperm(len(self.images), generator=self._generator("order of images", "cpu"))
        order = order.to(self.images.device)
        noise_source = self._generator("noise", device)
        for step, batch in enumerate(order.split(params.batch_size)):
            noise = torch.randn(len(batch), params.latent_dim, generator=noise_source, device=device)
            if step < self._steps:  # done before the training was broken off
                continue
            done = (self.epoch - 1) * self._batches + step
            set_rate(self._adam, params, done / (params.epochs * self._batches))
            images = self.images[self._ranks.shard(batch)].to(device)
            self._history[step] = self._step(images, self._ranks.shard(noise), rate_share, len(batch))
            self._steps = step + 1
            if device.type == "cpu" or self._steps % _STEPS_BETWEEN_CHECKS == 0:
                self._check_loss(since=max(0, self._steps - (1 if device.type == "cpu" else _STEPS_BETWEEN_CHECKS)))
            watch(self)

    def _check_loss(self, since: int = 0) -> None:
        finite = self.terms[since:].isfinite().all(dim=1)
        if not finite.all():
            step = (self.epoch - 1) * self._batches + since + 1 + int((~finite).nonzero()[0])
            raise UserError(f"the loss was no finite number in epoch {self.epoch}, step {step}: lower learning_rate")

    def _epoch_history(self) -> EpochHistory:
        terms = self.terms.cpu().double()
        done = (self.epoch - 1) * self._batches
        steps = [StepRow(self.epoch, done + step, loss) for step, loss in enumerate(terms[:, 0].tolist(), start=1)]
        sizes = _batch_sizes(len(self.images), self.params.batch_size)
        means = (terms * sizes[:, None]).sum(dim=0) / sizes.sum()
        validation = torch.stack(mean_terms(self.model, self.validation_images, self._ranks))
        if not validation.isfinite().all():
            raise UserError(f"the validation loss was no finite number after epoch {self.epoch}: lower learning_rate")
        return EpochHistory(EpochRow(self.epoch, *means.tolist(), *validation.tolist()), steps)

    def _generator(self, purpose: str, device: torch.device | str) -> torch.Generator:
        return torch.Generator(device).manual_seed(derived_seed(self.params.seed, purpose, self.epoch))


def _batch_sizes(images: int, batch_size: int) -> Tensor:
    whole, rest = divmod(images, batch_size)
    return torch.tensor([batch_size] * whole + [rest] * (rest > 0))
