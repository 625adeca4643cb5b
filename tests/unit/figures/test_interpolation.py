import math

import pytest
import torch
from torch import Tensor

from mnist_vae.figures.interpolation import lerp, slerp


def _ends(dimensions: int, seed: int = 0) -> Tensor:
    return torch.randn(2, dimensions, generator=torch.Generator().manual_seed(seed))


def _arc(ends: Tensor, steps: int) -> Tensor:
    path = slerp(ends, steps)
    assert path is not None
    return path


def _angles(path: Tensor) -> list[float]:
    """The angle between each point and the next, seen from the origin, in float64 without a cosine's cancellation."""
    directions = path.double() / path.double().norm(dim=1, keepdim=True)
    chords = (directions[1:] - directions[:-1]).norm(dim=1)
    return (2 * torch.asin(chords / 2)).tolist()


def test_lerp_goes_in_equal_steps_with_both_ends() -> None:
    ends = torch.tensor([[1.0, -2.0], [3.0, 8.0]])
    assert lerp(ends, 5).tolist() == [[1.0, -2.0], [1.5, 0.5], [2.0, 3.0], [2.5, 5.5], [3.0, 8.0]]
    assert lerp(ends, 2).tolist() == ends.tolist()


def test_slerp_of_a_right_angle_is_cosine_and_sine() -> None:
    path = _arc(torch.tensor([[3.0, 0.0], [0.0, 3.0]]), 4)
    expected = [[3 * math.cos(angle), 3 * math.sin(angle)] for angle in (0, math.pi / 6, math.pi / 3, math.pi / 2)]
    torch.testing.assert_close(path, torch.tensor(expected), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("dimensions", [2, 3, 128])
@pytest.mark.parametrize("steps", [2, 5, 100])
def test_slerp_begins_and_ends_at_its_ends(dimensions: int, steps: int) -> None:
    ends = _ends(dimensions)
    path = _arc(ends, steps)
    assert path.shape == (steps, dimensions)
    torch.testing.assert_close(path[[0, -1]], ends, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dimensions", [2, 3, 128])
@pytest.mark.parametrize("seed", range(5))
def test_slerp_between_ends_of_equal_length_keeps_the_length_and_turns_by_equal_angles(
    dimensions: int, seed: int
) -> None:
    ends = _ends(dimensions, seed)
    ends = 2.5 * ends / ends.norm(dim=1, keepdim=True)
    path = _arc(ends, 7)
    assert path.norm(dim=1).tolist() == pytest.approx([2.5] * 7, rel=1e-5)
    whole = math.acos(float(ends[0].double() @ ends[1].double()) / 2.5**2)
    assert _angles(path) == pytest.approx([whole / 6] * 6, rel=1e-3)


def test_arc_stays_in_the_plane_of_its_ends_and_between_them() -> None:
    ends = _ends(6)
    shares = torch.linalg.lstsq(ends.T, _arc(ends, 9).T).solution
    torch.testing.assert_close(ends.T @ shares, _arc(ends, 9).T, rtol=1e-4, atol=1e-5)
    assert float(shares.min()) > -1e-6
    assert shares[0].tolist() == sorted(shares[0].tolist(), reverse=True)
    assert shares[1].tolist() == sorted(shares[1].tolist())


def test_reversed_ends_give_the_reversed_arc() -> None:
    ends = _ends(4)
    torch.testing.assert_close(_arc(ends.flip(0), 9), _arc(ends, 9).flip(0), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dimensions", [1, 2, 3, 8, 128])
@pytest.mark.parametrize("factor", [0.3, 1.0, 2.0, 7.0])
def test_parallel_ends_are_joined_by_the_straight_line(dimensions: int, factor: float) -> None:
    for seed in range(20):
        (code, _) = _ends(dimensions, seed)
        ends = torch.stack([code, factor * code])
        torch.testing.assert_close(_arc(ends, 6), lerp(ends, 6), rtol=1e-4, atol=1e-5)


def test_equal_ends_stay_where_they_are() -> None:
    code = torch.tensor([1.0, -2.0, 0.5])
    torch.testing.assert_close(_arc(code.expand(2, 3), 4), code.expand(4, 3))


@pytest.mark.parametrize("dimensions", [1, 2, 3, 8, 128])
def test_no_arc_leads_between_opposite_directions(dimensions: int) -> None:
    # Many pairs, because rounding leaves some not quite opposite.
    for seed in range(20):
        (code, _) = _ends(dimensions, seed)
        for factor in (0.3, 1.0, 2.0, 7.0):
            assert slerp(torch.stack([code, -factor * code]), 5) is None


@pytest.mark.parametrize("zero", [[0], [1], [0, 1]])
def test_no_arc_leads_to_or_from_the_origin(zero: list[int]) -> None:
    ends = _ends(3)
    ends[zero] = 0
    assert slerp(ends, 5) is None


def test_nearly_opposite_ends_still_have_an_arc_of_their_length() -> None:
    # A degree short of opposite.
    angle = math.radians(179)
    path = _arc(torch.tensor([[2.0, 0.0], [2 * math.cos(angle), 2 * math.sin(angle)]]), 11)
    assert path.norm(dim=1).tolist() == pytest.approx([2.0] * 11, rel=1e-3)
