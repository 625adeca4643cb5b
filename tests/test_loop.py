from collections.abc import Callable
from itertools import chain

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from builders import PLAIN, tiny_images, tiny_model, tiny_params
from mnist_vae.common.params import ModelParams
from mnist_vae.common.seeds import derived_seed
from mnist_vae.console.stage import UserError
from mnist_vae.data.history import EpochHistory
from mnist_vae.model.autoencoder import Autoencoder
from mnist_vae.model.loss import Terms
from mnist_vae.model.networks import NETWORKS
from mnist_vae.training import loop, validation
from mnist_vae.training.loop import Training
from mnist_vae.training.validation import mean_terms
from tutorial import TutorialVAE, split_heads

IMAGES, VALIDATION = tiny_images(20), tiny_images(7, seed=1)


def _train(
    model: Autoencoder,
    params: ModelParams,
    watch: loop.StepWatcher = loop._unwatched,
    between: Callable[[], None] = lambda: None,
) -> list[EpochHistory]:
    histories = []
    for history in Training(model, IMAGES, VALIDATION, params).run(watch):
        histories.append(history)
        between()
    return histories


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
    _, histories = _trained(epochs=12, learning_rate=0.01, **changes)
    losses = [history.epoch.train_loss for history in histories]
    assert losses[-1] < 0.9 * losses[0]
    assert losses[-1] < losses[len(losses) // 2] < losses[0]


def test_same_seed_gives_the_same_weights_and_history_to_the_bit() -> None:
    (first, first_history), (second, second_history) = _trained(epochs=3), _trained(epochs=3)
    _assert_equal_weights(first, second)
    assert first_history == second_history


def test_another_seed_gives_another_course() -> None:
    model = tiny_model()
    other = tiny_model()
    _train(model, tiny_params(seed=0).of_model())
    _train(other, tiny_params(seed=1).of_model())
    assert not torch.equal(
        model.encoder.state_dict()["layers.0.convolution.weight"],
        other.encoder.state_dict()["layers.0.convolution.weight"],
    )


def test_epoch_does_not_depend_on_what_was_drawn_before() -> None:
    params = tiny_params(epochs=3).of_model()
    undisturbed, disturbed = tiny_model(), tiny_model()
    histories = _train(undisturbed, params)
    torch.manual_seed(99)
    assert _train(disturbed, params, _draw, _draw) == histories
    _assert_equal_weights(undisturbed, disturbed)


def test_first_epochs_do_not_depend_on_how_many_follow() -> None:
    assert _trained(epochs=2)[1] == _trained(epochs=4)[1][:2]


@pytest.mark.parametrize(("batch_size", "sizes"), [(8, [8, 8, 4]), (5, [5, 5, 5, 5]), (19, [19, 1]), (20, [20])])
def test_each_image_is_seen_once_an_epoch(monkeypatch: pytest.MonkeyPatch, batch_size: int, sizes: list[int]) -> None:
    model, params = tiny_model(), tiny_params(epochs=2, batch_size=batch_size).of_model()
    numbered = torch.arange(20, dtype=torch.uint8)[:, None, None, None].expand(20, 1, 16, 16).contiguous()
    batches: list[list[int]] = []
    terms = model.terms

    def spy(images: Tensor, noise: Tensor | None, rate_share: float = 1.0) -> Terms:
        if noise is not None:
            batches.append(images[:, 0, 0, 0].tolist())
        return terms(images, noise, rate_share)

    monkeypatch.setattr(model, "terms", spy)
    histories = list(Training(model, numbered, VALIDATION, params).run())
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


@pytest.mark.parametrize("schedule", ["constant", "linear"])
def test_epochs_equal_those_of_a_loop_written_by_hand(schedule: str) -> None:
    params = tiny_params(epochs=2, learning_rate_schedule=schedule).of_model()
    model = tiny_model()
    twin = TutorialVAE.like(model, params)
    optimizer = torch.optim.Adam(twin.parameters(), lr=0.001, betas=(0.5, 0.999))
    last_factor = {"constant": 1.0, "linear": 0.0}[schedule]  # after 2 epochs of 3 steps
    scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, last_factor, total_iters=6)
    for history in Training(model, IMAGES, VALIDATION, params).run():
        epoch = history.epoch.epoch
        order = torch.randperm(20, generator=_generator("order of images", epoch))
        noise_source = _generator("noise", epoch)
        losses, distortion, kl = [], 0.0, 0.0
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
            distortion += (output - scaled).square().sum().item()
            kl += images_kl.sum().item()
        row = history.epoch
        assert [step.loss for step in history.steps] == pytest.approx(losses, rel=1e-4)
        # The last batch has four images of the twenty, so it weighs half as much as each of the others.
        assert row.train_loss == pytest.approx((8 * losses[0] + 8 * losses[1] + 4 * losses[2]) / 20, rel=1e-4)
        assert row.train_distortion_per_image == pytest.approx(distortion / 20, rel=1e-4)
        assert row.train_kl_nats_per_image == pytest.approx(kl / 20, rel=1e-4)
        with torch.no_grad():
            scaled = VALIDATION / 127.5 - 1
            assert row.validation_loss == pytest.approx(float(twin.eval().loss(scaled, None, 0.1)), rel=1e-3)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_warmed_up_loss_takes_the_epochs_share_of_the_rate(reduction: str) -> None:
    _, histories = _trained(epochs=4, kl_warmup_epochs=2, kl_weight=0.7, reduction=reduction)
    distortion_weight, rate_weight = (1 / 256, 0.7 / 3) if reduction == "mean" else (1, 0.7)
    for history, share in zip(histories, (0, 0.5, 1, 1), strict=True):
        row = history.epoch
        distortion = distortion_weight * row.train_distortion_per_image
        assert row.train_loss == pytest.approx(distortion + share * rate_weight * row.train_kl_nats_per_image, rel=1e-6)
        # Validation losses can be compared between epochs: they have the whole rate in each.
        distortion = distortion_weight * row.validation_distortion_per_image
        assert row.validation_loss == pytest.approx(distortion + rate_weight * row.validation_kl_nats_per_image)


def test_warm_up_begins_as_training_without_kl_and_goes_on_otherwise() -> None:
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


def test_mean_terms_do_not_depend_on_the_size_of_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_model()
    whole = mean_terms(model, IMAGES)
    monkeypatch.setattr(validation, "_BATCH", 3)
    assert torch.stack(mean_terms(model, IMAGES)).tolist() == pytest.approx(torch.stack(whole).tolist(), rel=1e-6)


def test_validation_changes_nothing_in_the_model() -> None:
    model = tiny_model()
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    mean_terms(model, IMAGES)
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())


def test_loss_that_is_no_number_ends_training_by_step(monkeypatch: pytest.MonkeyPatch) -> None:
    model, params = tiny_model(), tiny_params(epochs=3).of_model()
    calls, terms = [], model.terms

    def spoilt(images: Tensor, noise: Tensor | None, rate_share: float = 1.0) -> Terms:
        found = terms(images, noise, rate_share)
        if noise is None:
            return found
        calls.append(len(images))
        # The fifth step of training is the second of the second epoch.
        return found._replace(loss=found.loss * float("nan")) if len(calls) == 5 else found

    monkeypatch.setattr(model, "terms", spoilt)
    course = Training(model, IMAGES, VALIDATION, params).run()
    assert next(course).epoch.epoch == 1
    with pytest.raises(UserError, match="no finite number in epoch 2, step 5: lower learning_rate"):
        next(course)


def test_weight_that_is_no_number_is_no_state_to_go_on_from() -> None:
    model = tiny_model()
    training = Training(model, IMAGES, VALIDATION, tiny_params(epochs=3).of_model())
    next(training.run())
    name, weight = next(iter(model.state_dict().items()))
    weight.view(-1)[5] = float("inf")
    with pytest.raises(UserError, match=f"{name} was not finite in epoch 1, after step 3: lower learning_rate"):
        training.state()


def test_validation_loss_that_is_no_number_ends_training(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_model()
    terms = model.terms

    def spoilt(images: Tensor, noise: Tensor | None, rate_share: float = 1.0) -> Terms:
        found = terms(images, noise, rate_share)
        return found._replace(loss=found.loss / 0) if noise is None else found

    monkeypatch.setattr(model, "terms", spoilt)
    course = Training(model, IMAGES, VALIDATION, tiny_params(epochs=3).of_model()).run()
    with pytest.raises(UserError, match="the validation loss was no finite number after epoch 1: lower learning_rate"):
        next(course)


def test_watcher_gets_the_growing_history_of_each_epoch() -> None:
    seen: list[tuple[int, int, list[float]]] = []
    params = tiny_params(epochs=2).of_model()
    histories = _train(
        tiny_model(), params, lambda one: seen.append((one.epoch, len(one.terms), one.terms[:, 0].tolist()))
    )
    assert [(epoch, length) for epoch, length, _ in seen] == [(1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (2, 3)]
    for epoch, length, losses in seen:
        assert losses == [row.loss for row in histories[epoch - 1].steps][:length]
