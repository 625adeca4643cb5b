from collections.abc import Callable
from itertools import chain

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from builders import PLAIN, adam_of, tiny_images, tiny_model, tiny_params
from mnist_vae.common.params import ModelParams
from mnist_vae.common.seeds import derived_seed
from mnist_vae.console.stage import UserError
from mnist_vae.data.binarisation import draw_bits
from mnist_vae.data.history import EpochHistory
from mnist_vae.model.autoencoder import Autoencoder, build_autoencoder
from mnist_vae.model.loss import Terms
from mnist_vae.model.networks import NETWORKS
from mnist_vae.training import loop
from mnist_vae.training.loop import TrainingImages, fit, validate
from mnist_vae.training.state import Training
from tutorial import TutorialVAE, split_heads
from weighted_bound import WeightedBound

IMAGES, VALIDATION = tiny_images(20), tiny_images(7, seed=1)


class Spy:
    """A callback that is told of each step and each epoch's end."""

    def __init__(self, on_step: Callable[[Training], object] = lambda _: None):
        self._on_step = on_step
        self.epochs: list[EpochHistory] = []

    def on_step(self, training: Training) -> None:
        self._on_step(training)

    def on_epoch_end(self, training: Training) -> None:
        self.epochs.append(training.histories[-1])
        self._on_step(training)


def _train(
    model: Autoencoder, params: ModelParams, spy: Spy | None = None, images: Tensor = IMAGES
) -> list[EpochHistory]:
    """The history of a training, without its speed."""
    histories = fit(model, TrainingImages(images, VALIDATION), params, callbacks=[spy] if spy else [])
    return [history._replace(images_per_second=0) for history in histories]


def _trained(**changes: object) -> tuple[Autoencoder, list[EpochHistory]]:
    params = tiny_params(**changes).of_model()
    model = tiny_model(**changes)
    return model, _train(model, params)


def _assert_equal_weights(first: Autoencoder, second: Autoencoder) -> None:
    for name, weight in first.state_dict().items():
        assert torch.equal(weight, second.state_dict()[name]), name


def _draw(*_: object) -> None:
    torch.rand(7)


def _generator(purpose: str, epoch: int) -> torch.Generator:
    return torch.Generator().manual_seed(derived_seed(0, purpose, epoch))


@pytest.mark.parametrize("changes", [{"network": name} for name in NETWORKS] + [PLAIN], ids=str)
def test_loss_falls(changes: dict) -> None:
    params = tiny_params(epochs=12, learning_rate=0.01, **changes).of_model()
    histories = _train(tiny_model(**changes), params, images=IMAGES // 2)  # dark ones, which all can learn to be
    losses = [history.epoch.train_loss for history in histories]
    assert losses[-1] < 0.9 * losses[0]
    assert losses[-1] < losses[len(losses) // 2] < losses[0]


def test_same_seed_gives_the_same_weights_and_history_to_the_bit() -> None:
    (first, first_history), (second, second_history) = _trained(epochs=3), _trained(epochs=3)
    _assert_equal_weights(first, second)
    assert first_history == second_history


def test_different_seeds_give_different_trainings() -> None:
    model = tiny_model()
    other = tiny_model()
    _train(model, tiny_params(seed=0).of_model())
    _train(other, tiny_params(seed=1).of_model())
    first, second = (one.encoder.state_dict()["layers.0.weight"] for one in (model, other))
    assert not torch.equal(first, second)


def test_epoch_does_not_depend_on_what_was_drawn_before() -> None:
    params = tiny_params(epochs=3).of_model()
    undisturbed, disturbed = tiny_model(), tiny_model()
    histories = _train(undisturbed, params)
    torch.manual_seed(99)
    assert _train(disturbed, params, Spy(_draw)) == histories
    _assert_equal_weights(undisturbed, disturbed)


def test_first_epochs_do_not_depend_on_how_many_follow() -> None:
    assert _trained(epochs=2)[1] == _trained(epochs=4)[1][:2]


@pytest.mark.parametrize(("batch_size", "sizes"), [(8, [8, 8, 4]), (5, [5, 5, 5, 5]), (19, [19, 1]), (20, [20])])
def test_each_image_is_seen_once_an_epoch(monkeypatch: pytest.MonkeyPatch, batch_size: int, sizes: list[int]) -> None:
    model, params = tiny_model(), tiny_params(epochs=2, batch_size=batch_size).of_model()
    numbered = torch.arange(20, dtype=torch.uint8)[:, None, None, None].expand(20, 1, 16, 16).contiguous()
    batches: list[list[int]] = []
    terms = model.terms

    def spy(images: Tensor, noise: Tensor | None, kl_factor: float = 1.0) -> Terms:
        if noise is not None:
            batches.append(images[:, 0, 0, 0].tolist())
        return terms(images, noise, kl_factor)

    monkeypatch.setattr(model, "terms", spy)
    histories = _train(model, params, images=numbered)
    epochs = batches[: len(sizes)], batches[len(sizes) :]
    for epoch in epochs:
        assert [len(batch) for batch in epoch] == sizes
        assert sorted(chain.from_iterable(epoch)) == list(range(20))
    first, second = (list(chain.from_iterable(epoch)) for epoch in epochs)
    assert first != second != list(range(20)) != first
    assert [row.step for history in histories for row in history.steps] == list(range(1, 2 * len(sizes) + 1))
    assert [row.epoch for history in histories for row in history.steps] == [1] * len(sizes) + [2] * len(sizes)


def test_one_step_equals_one_written_by_hand() -> None:
    params = tiny_params(batch_size=20).of_model()
    model = tiny_model()
    twin = TutorialVAE.like(model, params)
    optimizer = torch.optim.Adam(twin.parameters(), lr=0.001, betas=(0.5, 0.999))
    order = torch.randperm(20, generator=_generator("order of images", 1))
    noise = torch.randn(20, 3, generator=_generator("noise", 1))
    loss = twin.train().loss(IMAGES[order] / 127.5 - 1, noise, kl_weight=0.1)
    loss.backward()
    optimizer.step()
    (history,) = _train(model, params)
    assert history.epoch.train_loss == history.steps[0].loss == pytest.approx(loss.item(), rel=1e-5)
    for trained, expected in zip(split_heads(model), twin.state_dict().values(), strict=True):
        # Adam's first step moves each weight by up to the learning rate, 0.001.
        torch.testing.assert_close(trained, expected, rtol=0, atol=1e-5)


RATES = {  # of 2 epochs of 3 steps, or of 3 and 2 steps, as shares of the learning rate
    (2, "constant"): [1.0] * 6,
    (2, "linear"): [1.0, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6],
    (2, "one_cycle"): [1.0, 5 / 5.4, 4 / 5.4, 3 / 5.4, 2 / 5.4, 1 / 5.4],
    (1.6, "linear"): [1.0, 4 / 5, 3 / 5, 2 / 5, 1 / 5],
}


@pytest.mark.parametrize(("epochs", "schedule"), RATES)
def test_epochs_equal_those_of_a_loop_written_by_hand(epochs: float, schedule: str) -> None:
    params = tiny_params(epochs=epochs, learning_rate_schedule=schedule).of_model()
    model = tiny_model()
    twin = TutorialVAE.like(model, params)
    optimizer = torch.optim.Adam(twin.parameters(), lr=0.001, betas=(0.5, 0.999))
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: [*RATES[epochs, schedule], 0.0][step])
    for history in _train(model, params):
        epoch = history.epoch.epoch
        order = torch.randperm(20, generator=_generator("order of images", epoch))
        order = order[:12] if epoch > epochs else order  # the second of 1.6 epochs
        noise_source = _generator("noise", epoch)
        losses, reconstruction_error, kl = [], 0.0, 0.0
        twin.train()
        for batch in order.split(8):
            scaled = IMAGES[batch] / 127.5 - 1
            noise = torch.randn(len(batch), 3, generator=noise_source)
            mean, log_variance = twin.encode(scaled)
            output = twin.decode(mean + noise * (log_variance / 2).exp())
            images_kl = -0.5 * (1 + log_variance - mean**2 - log_variance.exp())
            loss = functional.mse_loss(output, scaled) + 0.1 * images_kl.mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()
            losses.append(loss.item())
            reconstruction_error += (output - scaled).square().sum().item()
            kl += images_kl.sum().item()
        row = history.epoch
        assert [step.loss for step in history.steps] == pytest.approx(losses, rel=1e-4)
        # The last batch has four images, so it weighs half as much as each of the others.
        weights = [len(batch) for batch in order.split(8)]
        assert row.train_loss == pytest.approx(np.average(losses, weights=weights), rel=1e-4)
        assert row.train_reconstruction_error_per_image == pytest.approx(reconstruction_error / len(order), rel=1e-4)
        assert row.train_kl_nats_per_image == pytest.approx(kl / len(order), rel=1e-4)
        with torch.no_grad():
            scaled = VALIDATION / 127.5 - 1
            assert row.validation_loss == pytest.approx(float(twin.eval().loss(scaled, None, 0.1)), rel=1e-3)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_warmup_factor_scales_the_kl_in_the_loss(reduction: str) -> None:
    _, histories = _trained(epochs=4, kl_warmup_epochs=2, kl_weight=0.7, reduction=reduction)
    reconstruction_weight, kl_weight = (1 / 256, 0.7 / 3) if reduction == "mean" else (1, 0.7)
    for history, share in zip(histories, (0, 0.5, 1, 1), strict=True):
        row = history.epoch
        reconstruction_error = reconstruction_weight * row.train_reconstruction_error_per_image
        assert row.train_loss == pytest.approx(
            reconstruction_error + share * kl_weight * row.train_kl_nats_per_image, rel=1e-6
        )
        # Validation losses can be compared between epochs: they have the whole KL in each.
        reconstruction_error = reconstruction_weight * row.validation_reconstruction_error_per_image
        assert row.validation_loss == pytest.approx(reconstruction_error + kl_weight * row.validation_kl_nats_per_image)


def test_warm_up_begins_as_training_without_kl_and_then_differs() -> None:
    warmed, without, plain = (
        _trained(epochs=3, kl_weight=5.0, kl_warmup_epochs=2)[1],
        _trained(epochs=3, kl_weight=0.0)[1],
        _trained(epochs=3, kl_weight=5.0)[1],
    )
    assert warmed[0].steps == without[0].steps
    assert warmed[1].steps[1:] != without[1].steps[1:]
    assert warmed[0].steps != plain[0].steps


def test_free_nats_leave_a_collapsing_code_with_more_rate() -> None:
    changes = {"epochs": 40, "learning_rate": 0.01, "kl_weight": 5.0}
    _, collapsing = _trained(**changes)
    _, kept = _trained(**changes, free_nats=0.5)
    assert collapsing[-1].epoch.train_kl_nats_per_image < 0.02
    assert kept[-1].epoch.train_kl_nats_per_image > 0.2


def test_validation_terms_do_not_depend_on_the_size_of_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_model()
    whole = validate(model, IMAGES)
    monkeypatch.setattr(loop, "EVALUATION_BATCH", 3)
    assert torch.stack(validate(model, IMAGES)).tolist() == pytest.approx(torch.stack(whole).tolist(), rel=1e-6)


def test_validation_changes_nothing_in_the_model() -> None:
    model = tiny_model()
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    validate(model, IMAGES)
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())


def test_loss_that_is_no_number_ends_training_by_step(monkeypatch: pytest.MonkeyPatch) -> None:
    model, params = tiny_model(), tiny_params(epochs=3).of_model()
    calls, terms = [], model.terms

    def spoilt(images: Tensor, noise: Tensor | None, kl_factor: float = 1.0) -> Terms:
        found = terms(images, noise, kl_factor)
        if noise is None:
            return found
        calls.append(len(images))
        # The fifth step of training is the second of the second epoch.
        return found._replace(loss=found.loss * float("nan")) if len(calls) == 5 else found

    monkeypatch.setattr(model, "terms", spoilt)
    spy = Spy()
    with pytest.raises(UserError, match="the loss was not finite in epoch 2, step 5: lower learning_rate"):
        _train(model, params, spy)
    assert [history.epoch.epoch for history in spy.epochs] == [1]


@pytest.mark.parametrize("spoilt", [1, 99, 100, 101, 250, 300])
def test_message_names_the_step_of_a_loss_that_is_not_finite_on_a_gpu(spoilt: int) -> None:
    # "meta" cannot be read, so a CPU tensor stands for a device's, which is looked at each 100 steps.
    training = Training(tiny_model(), adam_of(tiny_model()), steps_of_epochs=[300])
    training.is_on_cpu = False
    terms = torch.ones(300, 3)
    terms[spoilt - 1 :] = float("nan")
    message = f"the loss was not finite in epoch 1, step {spoilt}: lower learning_rate"
    with pytest.raises(UserError, match=message):
        list(map(training.end_step, terms))
    assert training.step == min(300, -(-spoilt // 100) * 100)


def test_last_step_of_a_shorter_epoch_is_looked_at_on_a_gpu() -> None:
    training = Training(tiny_model(), adam_of(tiny_model()), steps_of_epochs=[300, 150])
    training.is_on_cpu = False
    list(map(training.end_step, torch.ones(300, 3)))
    training.end_epoch(None)
    list(map(training.end_step, torch.ones(149, 3)))
    with pytest.raises(UserError, match="the loss was not finite in epoch 2, step 450: lower learning_rate"):
        training.end_step(torch.full((3,), float("nan")))


def test_weight_that_is_no_number_ends_training_with_its_epoch() -> None:
    model = tiny_model()
    name, weight = next(iter(model.state_dict().items()))

    def spoil(training: Training) -> None:
        if (training.epoch, training.step) == (2, 3):
            weight.view(-1)[5] = float("inf")

    with pytest.raises(UserError, match=f"({name}|the validation loss) was not finite after epoch 2: lower"):
        _train(model, tiny_params(epochs=3).of_model(), Spy(spoil))


def test_validation_loss_that_is_no_number_ends_training(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_model()
    terms = model.terms

    def spoilt(images: Tensor, noise: Tensor | None, kl_factor: float = 1.0) -> Terms:
        found = terms(images, noise, kl_factor)
        return found._replace(loss=found.loss / 0) if noise is None else found

    monkeypatch.setattr(model, "terms", spoilt)
    with pytest.raises(UserError, match="the validation loss was not finite after epoch 1: lower learning_rate"):
        _train(model, tiny_params(epochs=3).of_model())


def test_callbacks_are_told_of_each_step_and_of_each_epochs_end() -> None:
    seen: list[tuple[int, int, list[float]]] = []

    def look(training: Training) -> None:
        seen.append((training.epoch, training.step, training.terms[:, 0].tolist()))

    histories = _train(tiny_model(), tiny_params(epochs=2).of_model(), Spy(look))
    places = [(epoch, step) for epoch, step, _ in seen]
    assert places == [(1, 1), (1, 2), (1, 3), (2, 0), (2, 1), (2, 2), (2, 3), (3, 0)]
    for epoch, step, losses in seen:
        assert losses == [row.loss for row in histories[min(epoch, 2) - 1].steps][:step]


def test_speed_counts_all_the_time_of_an_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([100.0, 102.0, 200.0, 205.0])
    monkeypatch.setattr(loop.time, "monotonic", lambda: next(now))
    histories = fit(tiny_model(), TrainingImages(IMAGES, VALIDATION), tiny_params(epochs=1.5).of_model())
    assert [history.images_per_second for history in histories] == [10, 2]


def _bfloat16_and_float32() -> tuple[Autoencoder, Autoencoder]:
    images = TrainingImages(tiny_images(96), tiny_images(32, seed=1))
    models = []
    for precision in ("bfloat16", "float32"):
        params = tiny_params(precision=precision, epochs=3, conv_channels=[4, 8, 16], batch_size=16).of_model()
        models.append(build_autoencoder(params))
        fit(models[-1], images, params)
    return models[0], models[1]


def test_bfloat16_learns_as_float32_does_to_one_percent_with_weights_in_float32() -> None:
    short, exact = _bfloat16_and_float32()
    assert {weight.dtype for weight in short.parameters()} == {torch.float32}
    mine, expected = (validate(model, tiny_images(32, seed=1)).reconstruction_error for model in (short, exact))
    assert mine != expected
    torch.testing.assert_close(mine, expected, rtol=0.01, atol=0)


def test_tf32_is_refused_on_the_cpu() -> None:
    with pytest.raises(
        UserError, match="precision is tf32, which cpu does not support: set precision to float32 or bfloat16"
    ):
        _train(tiny_model(), tiny_params(precision="tf32").of_model())


def _seen(binarisation: str) -> list[Tensor]:
    """The images of each of two epochs, as the model is given them, put back into their own order."""
    changes = {"reconstruction": "bernoulli", "binarisation": binarisation, "epochs": 2, "batch_size": 20}
    model, batches = tiny_model(**changes), []
    terms = model.terms

    def spy(images: Tensor, noise: Tensor | None, kl_factor: float = 1.0) -> Terms:
        batches.extend([images.clone()] if noise is not None else [])
        return terms(images, noise, kl_factor)

    model.terms = spy
    _train(model, tiny_params(**changes).of_model())
    orders = [torch.randperm(20, generator=_generator("order of images", epoch)) for epoch in (1, 2)]
    return [batch[order.argsort()] for batch, order in zip(batches, orders, strict=True)]


def test_dynamic_bits_are_those_of_each_epoch_and_image() -> None:
    first, second = _seen("dynamic")
    for epoch, images in ((1, first), (2, second)):
        assert np.array_equal(images.numpy(), draw_bits(IMAGES.numpy(), 0, "train", epoch))
    assert not torch.equal(first, second)


@pytest.mark.parametrize("binarisation", ["none", "fixed"])
def test_images_without_dynamic_bits_are_the_prepared_ones(binarisation: str) -> None:
    assert all(torch.equal(images, IMAGES) for images in _seen(binarisation))


@pytest.mark.parametrize("bound", [{"importance_samples": 4}, {"sticking_the_landing": True}], ids=str)
def test_step_on_a_bound_from_sampled_codes_equals_one_written_by_hand(bound: dict) -> None:
    changes = {"network": "mlp", "reconstruction": "bernoulli", "reduction": "sum", "kl_weight": 1, "batch_size": 20}
    changes |= bound | {"adam_epsilon": 0.01, "output_bias": "mean_image"}
    model, twin = tiny_model(**changes), tiny_model(**changes)
    twin.start_at_mean(IMAGES)
    optimizer = torch.optim.Adam(twin.parameters(), lr=0.001, betas=(0.5, 0.999), eps=0.01)
    order = torch.randperm(20, generator=_generator("order of images", 1))
    noise = torch.randn(20, bound.get("importance_samples", 1), 3, generator=_generator("noise", 1))
    by_hand = WeightedBound(twin, IMAGES[order], noise)
    gradients = by_hand.doubly_reparameterized()
    for part, values in ((twin.encoder, gradients.encoder), (twin.decoder, gradients.decoder)):
        for weight, gradient in zip(part.parameters(), values, strict=True):
            weight.grad = gradient.float()
    optimizer.step()
    (history,) = _train(model, tiny_params(**changes).of_model())
    assert history.epoch.train_loss == pytest.approx(by_hand.loss().item(), rel=1e-5)
    for trained, expected in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(trained, expected, rtol=0, atol=2e-6)


def test_warmup_factor_scales_the_log_ratio_of_the_bound() -> None:
    changes = {"network": "mlp", "reconstruction": "bernoulli", "reduction": "sum", "kl_weight": 1, "batch_size": 20}
    changes |= {"importance_samples": 3, "epochs": 3, "kl_warmup_epochs": 2}
    model, shares = tiny_model(**changes), []
    terms = model.terms

    def spy(images: Tensor, noise: Tensor | None, kl_factor: float = 1.0) -> Terms:
        shares.extend([kl_factor] if noise is not None else [])
        return terms(images, noise, kl_factor)

    model.terms = spy
    _train(model, tiny_params(**changes).of_model())
    assert shares == [0, 0.5, 1]
