from pathlib import Path

import pytest
import torch

from builders import PLAIN, tiny_images, tiny_model, tiny_params
from mnist_vae.console.stage import UserError
from mnist_vae.training.checkpoint import Checkpoint, TrainingRecord
from mnist_vae.training.loop import Training
from mnist_vae.training.state import TrainingState

IMAGES, VALIDATION = tiny_images(20), tiny_images(7, seed=1)
STEPS, EPOCHS = 3, 3  # of 8, 8 and 4 images


class BrokenOffError(Exception):
    pass


def _training(**changes: object) -> Training:
    params = tiny_params(epochs=EPOCHS, **changes).of_model()
    return Training(tiny_model(epochs=EPOCHS, **changes), IMAGES, VALIDATION, params)


def _broken_off(checkpoint: Checkpoint, after: int, **changes: object) -> None:
    """Train that many steps, save, and go on for one that is lost."""
    training, histories, steps = _training(**changes), [], 0

    def watch(training: Training) -> None:
        nonlocal steps
        steps += 1
        if steps == after:
            checkpoint.save(TrainingRecord(training.state(), histories, [1.0] * len(histories)))
        if steps > after:
            raise BrokenOffError

    with pytest.raises(BrokenOffError):  # noqa: PT012 (an epoch's history counts only once it is yielded)
        for history in training.run(watch):
            histories += [history]


@pytest.mark.parametrize(
    "changes",
    [{"learning_rate_schedule": "linear"}, {"network": "deep", "deep_channels": [2, 2]}, PLAIN],
    ids=str,
)
@pytest.mark.parametrize("after", range(1, STEPS * EPOCHS))
def test_training_broken_off_after_any_step_ends_with_the_same_bits(tmp_path: Path, after: int, changes: dict) -> None:
    whole = _training(**changes)
    expected = list(whole.run())
    with Checkpoint(tmp_path, "f") as checkpoint:
        _broken_off(checkpoint, after, **changes)
        # What is drawn in between does not matter.
        torch.rand(3)
        training = _training(**changes)
        record = checkpoint.load(training.restore)
    assert record is not None
    assert record.histories + list(training.run()) == expected
    for name, weight in whole.model.state_dict().items():
        assert torch.equal(weight, training.model.state_dict()[name]), name
    for name, value in whole.state().adam.items():
        assert torch.equal(value, training.state().adam[name]), name


def test_state_after_the_last_epoch_has_nothing_left_to_do(tmp_path: Path) -> None:
    training = _training()
    histories = list(training.run())
    with Checkpoint(tmp_path, "f") as checkpoint:
        checkpoint.save(TrainingRecord(training.state(), histories, [3.0, 2.0, 1.5]))
        again = _training()
        record = checkpoint.load(again.restore)
    assert record is not None
    assert (record.histories, record.images_per_second) == (histories, [3.0, 2.0, 1.5])
    assert list(again.run()) == []


def test_without_a_file_there_is_nothing_to_go_on_from(tmp_path: Path) -> None:
    with Checkpoint(tmp_path / "checkpoints", "f") as checkpoint:
        assert checkpoint.load(_training().restore) is None
        checkpoint.remove()


def _saved(folder: Path, fingerprint: str = "f") -> Path:
    with Checkpoint(folder, fingerprint) as checkpoint:
        checkpoint.save(TrainingRecord(_training().state(), [], []))
    return folder / f"{fingerprint}.safetensors"


@pytest.mark.parametrize("kept", [0, 5, 200, -1])
def test_torn_file_is_set_aside_with_a_line(tmp_path: Path, kept: int, capsys: pytest.CaptureFixture[str]) -> None:
    path = _saved(tmp_path)
    content = path.read_bytes()[:kept]
    path.write_bytes(content)
    with Checkpoint(tmp_path, "f") as checkpoint:
        assert checkpoint.load(_training().restore) is None
    (line,) = capsys.readouterr().out.splitlines()
    assert "starts afresh" in line
    assert (path.exists(), path.with_suffix(".unusable").read_bytes()) == (False, content)


def test_file_of_another_training_is_set_aside_with_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _saved(tmp_path, "other").rename(tmp_path / "f.safetensors")
    with Checkpoint(tmp_path, "f") as checkpoint:
        assert checkpoint.load(_training().restore) is None
    assert "it is of another training" in capsys.readouterr().out


def test_unfinished_file_leaves_the_former_one_in_place(tmp_path: Path) -> None:
    path = _saved(tmp_path)
    path.with_name(f"{path.name}.unfinished").write_bytes(b"half")
    with Checkpoint(tmp_path, "f") as checkpoint:
        assert checkpoint.load(_training().restore) is not None


def test_same_training_cannot_run_twice_at_once(tmp_path: Path) -> None:
    second = Checkpoint(tmp_path, "f")
    with (
        Checkpoint(tmp_path, "f"),
        Checkpoint(tmp_path, "g"),
        pytest.raises(UserError, match="the same training is running already"),
    ):
        second.__enter__()
    with Checkpoint(tmp_path, "f"):
        pass


def test_loss_that_is_no_number_is_never_saved(tmp_path: Path) -> None:
    training = _training()
    list(training.run())
    training._history[0, 0] = float("nan")
    training._steps, training.epoch = 1, 2
    with (
        Checkpoint(tmp_path, "f") as checkpoint,
        pytest.raises(UserError, match="no finite number in epoch 2, step 4"),
    ):
        checkpoint.save(TrainingRecord(training.state(), [], []))
    assert not list(tmp_path.glob("*.safetensors"))


def _spoilt_states() -> dict[str, TrainingState]:
    """States that no training of the tiny model has, each a change of one that it has."""
    training = _training()
    next(training.run())
    whole = training.state()
    name, weight = next(iter(whole.model.items()))
    moment = next(key for key in whole.adam if key.endswith("exp_avg"))
    return {
        "epoch 0": whole._replace(epoch=0),
        "an epoch too many": whole._replace(epoch=EPOCHS + 2),
        "too many steps": whole._replace(terms=torch.zeros(STEPS + 1, 3)),
        "a weight less": whole._replace(model={key: value for key, value in whole.model.items() if key != name}),
        "a weight more": whole._replace(model=whole.model | {"more": weight.clone()}),
        "another shape": whole._replace(model=whole.model | {name: weight[:1]}),
        "another type": whole._replace(model=whole.model | {name: weight.double()}),
        "a weight that is no number": whole._replace(model=whole.model | {name: weight * float("nan")}),
        "a moment less": whole._replace(adam={key: value for key, value in whole.adam.items() if key != moment}),
        "an infinite moment": whole._replace(adam=whole.adam | {moment: whole.adam[moment] / 0}),
        "an infinite loss": whole._replace(terms=torch.full((1, 3), float("inf"))),
    }


@pytest.mark.parametrize("what", _spoilt_states())
def test_state_that_does_not_fit_is_set_aside_and_changes_nothing(
    tmp_path: Path, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    training = _training()
    before = {name: weight.clone() for name, weight in training.model.state_dict().items()}
    with Checkpoint(tmp_path, "f") as checkpoint:
        checkpoint.save(TrainingRecord(_spoilt_states()[what], [], []))
        assert checkpoint.load(training.restore) is None
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("train: starts afresh: its checkpoint cannot be used (")
    assert (tmp_path / "f.unusable").exists()
    assert all(torch.equal(before[name], weight) for name, weight in training.model.state_dict().items())
    assert [history.epoch.epoch for history in training.run()] == list(range(1, EPOCHS + 1))


@pytest.mark.parametrize("seconds", ["soon", "", "1 s"])
def test_seconds_between_checkpoints_that_are_no_number_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: str
) -> None:
    monkeypatch.setenv("MNIST_VAE_CHECKPOINT_SECONDS", seconds)
    with pytest.raises(UserError, match=rf"MNIST_VAE_CHECKPOINT_SECONDS is '{seconds}', but must be a number"):
        Checkpoint(tmp_path, "f")
