import pytest
import torch

from mnist_vae.training.shuffling import epoch_order


def _order(count: int, block: int, seed: int = 0) -> torch.Tensor:
    return epoch_order(count, block, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("block", [50, 51, 10_000])
def test_images_of_one_block_come_in_one_permutation(block: int) -> None:
    assert torch.equal(_order(50, block), torch.randperm(50, generator=torch.Generator().manual_seed(0)))


@pytest.mark.parametrize("count", [2, 100, 999, 4096])
@pytest.mark.parametrize("block", [1, 15, 16, 64, 100, 1000])
def test_each_image_comes_once(count: int, block: int) -> None:
    assert sorted(_order(count, block).tolist()) == list(range(count))


def test_order_is_a_function_of_the_generators_seed() -> None:
    torch.manual_seed(5)
    first = _order(1000, 64, seed=1)
    torch.manual_seed(6)
    assert torch.equal(_order(1000, 64, seed=1), first)
    assert not torch.equal(_order(1000, 64, seed=2), first)


def test_block_is_read_in_sixteen_runs_of_neighbours() -> None:
    for block in _order(4096, 256).split(256):
        runs = set((block // 16).tolist())
        assert len(runs) == 16
        assert sorted(block.tolist()) == sorted(16 * run + place for run in runs for place in range(16))


def test_blocks_are_shuffled() -> None:
    order = _order(65_536, 4096)
    # Of the next image, one in 16 is of the same run: 4096 in all, with a standard deviation of 62.
    assert abs(int((order[1:] // 256 == order[:-1] // 256).sum()) - 4096) < 5 * 62


def test_images_are_read_at_any_time_of_an_epoch() -> None:
    places = torch.stack([_order(512, 64, seed).argsort() for seed in range(400)]).double()
    # Uniform over 0..511: a mean of 255.5, of 400 with a standard deviation of 7.4.
    assert (places.mean(dim=0) - 255.5).abs().max() < 5 * 7.4


def test_file_in_the_order_of_classes_gives_mixed_blocks() -> None:
    classes = torch.arange(10).repeat_interleave(1000)
    for block in classes[_order(10_000, 800)].split(800)[:-1]:
        assert len(set(block.tolist())) >= 5


def test_runs_that_meet_in_a_block_change_from_epoch_to_epoch() -> None:
    first, second = (frozenset((_order(4096, 256, seed)[:256] // 16).tolist()) for seed in (0, 1))
    assert len(first & second) < 8
