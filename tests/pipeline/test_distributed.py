from collections.abc import Iterator
from itertools import chain

import numpy as np
import pytest
import torch
from torch import nn

from builders import PLAIN, tiny_model
from mnist_vae.training.distributed import Ranks
from rank_processes import RankProcesses
from training_of_ranks import Trained, train

MLP = {"network": "mlp"}
BOUND = MLP | {"reconstruction": "bernoulli", "binarisation": "dynamic", "reduction": "sum", "kl_weight": 1}
BOUND |= {"importance_samples": 3}
DEEP = {"network": "deep", "deep_channels": [2, 2, 2]}


@pytest.fixture(scope="module")
def two() -> Iterator[RankProcesses]:
    ranks = RankProcesses(2)
    yield ranks
    ranks.close()


@pytest.fixture(scope="module")
def three() -> Iterator[RankProcesses]:
    ranks = RankProcesses(3)
    yield ranks
    ranks.close()


def _trained(ranks: RankProcesses, images: int, changes: dict, resume_after: int = 0) -> list[Trained]:
    return ranks.call("training_of_ranks", "train", images, changes, resume_after)


# 7 images: shards of 4 and 3. With free nats, the means of two dimensions lie on one side of them for the batch and on
# the other for a rank.
@pytest.mark.parametrize(
    ("changes", "tolerance"),
    [
        (MLP, 1e-6),
        (MLP | PLAIN, 1e-6),
        (MLP | {"free_nats": 0.1, "reduction": "sum", "kl_weight": 1}, 1e-6),
        ({"network": "conv"}, 1e-5),
        (DEEP, 1e-5),
        (BOUND, 1e-6),
    ],
    ids=str,
)
def test_first_step_has_the_gradient_and_the_buffers_of_one_process(
    two: RankProcesses, changes: dict, tolerance: float
) -> None:
    changes |= {"batch_size": 7}
    alone = train(Ranks(), 7, changes)
    assert len(alone.batches) == 1
    for rank in _trained(two, 7, changes):
        assert len(rank.gradients) == len(alone.gradients) == len(list(tiny_model(**changes).parameters()))
        for mine, expected in zip(rank.gradients, alone.gradients, strict=True):
            np.testing.assert_allclose(mine, expected, rtol=0, atol=tolerance * max(1, np.abs(expected).max()))
        for name, expected in alone.weights.items():
            if "running" in name or "tracked" in name:
                np.testing.assert_allclose(rank.weights[name], expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("group", ["two", "three"])
def test_each_image_is_seen_once_an_epoch_in_the_batches_of_one_process(
    request: pytest.FixtureRequest, group: str
) -> None:
    # The last batch has one image, so all ranks but one have none of it.
    changes = MLP | {"batch_size": 4, "epochs": 2}
    alone = train(Ranks(), 9, changes).batches
    assert [len(batch) for batch in alone] == [4, 4, 1] * 2
    ranks = [rank.batches for rank in _trained(request.getfixturevalue(group), 9, changes)]
    for step, batch in enumerate(alone):
        shards = [batches[step] for batches in ranks]
        assert list(chain.from_iterable(shards)) == batch
        assert max(map(len, shards)) - min(map(len, shards)) <= 1


@pytest.mark.parametrize("changes", [MLP, {"network": "conv"}, MLP | {"free_nats": 0.01}, BOUND], ids=str)
def test_training_of_two_ranks_equals_that_of_one_process_within_rounding(two: RankProcesses, changes: dict) -> None:
    changes |= {"batch_size": 4, "epochs": 2.6, "learning_rate": 0.01}
    alone = train(Ranks(), 9, changes)
    first, second = _trained(two, 9, changes)
    assert second.histories == []  # the main process alone validates
    for name, weight in first.weights.items():
        assert weight.tobytes() == second.weights[name].tobytes(), name
    for found, expected in zip(first.histories, alone.histories, strict=True):
        assert found.epoch == pytest.approx(expected.epoch, rel=2e-4)
        assert [step.loss for step in found.steps] == pytest.approx([step.loss for step in expected.steps], rel=2e-4)


def test_same_number_of_ranks_gives_the_same_bits_also_resumed(two: RankProcesses) -> None:
    changes = {"network": "conv", "batch_size": 5, "epochs": 2}
    once, again, resumed = (_trained(two, 13, changes, resume_after)[0] for resume_after in (0, 0, 4))
    assert once.histories == again.histories == resumed.histories
    for name, weight in once.weights.items():
        assert weight.tobytes() == again.weights[name].tobytes() == resumed.weights[name].tobytes(), name


def test_three_ranks_give_the_same_bits_and_resume_within_rounding(three: RankProcesses) -> None:
    # DistributedDataParallel fills its buckets again after the first step, so three numbers are added in another order.
    changes = {"network": "conv", "batch_size": 5, "epochs": 2}
    once, again, resumed = (_trained(three, 13, changes, resume_after)[0] for resume_after in (0, 0, 4))
    assert once.histories == again.histories
    for name, weight in once.weights.items():
        assert weight.tobytes() == again.weights[name].tobytes(), name
        np.testing.assert_allclose(resumed.weights[name], weight, rtol=1e-3, atol=1e-5)


def test_bytes_of_the_main_process_reach_all(three: RankProcesses) -> None:
    contents = [b"", b"x", bytes(range(256)) * 1000]
    assert three.call("training_of_ranks", "broadcast", contents) == [contents] * 3


@pytest.mark.parametrize("images", [2, 5])
def test_batch_norm_of_a_batch_in_shards_equals_torchs_of_the_whole_batch(three: RankProcesses, images: int) -> None:
    # Of images of one pixel. Three ranks, so with two images one has none, and the others one each.
    pixels = torch.randn(images, 3, 1, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    norm = nn.BatchNorm2d(3).double()
    whole = pixels.clone().requires_grad_()
    output = norm(whole)
    (output**3).sum().backward()
    assert whole.grad is not None
    ranks = three.call("training_of_ranks", "normalise", images)
    # Each of the three ranks took the loss of the whole batch as its own.
    for name, expected in {"output": output.detach(), "gradient": 3 * whole.grad}.items():
        found = np.concatenate([rank[name] for rank in ranks])
        np.testing.assert_allclose(found, expected.numpy(), rtol=1e-9, atol=1e-9)
    for rank in ranks:
        for name, expected in norm.state_dict().items():
            np.testing.assert_allclose(rank[name], expected.numpy(), rtol=1e-12)


def test_rank_with_another_fingerprint_says_so(two: RankProcesses) -> None:
    assert two.call("training_of_ranks", "disagree") == [
        None,
        "process 1 of 2 differs from process 0 in data, code, parameters or torch: make them equal",
    ]
