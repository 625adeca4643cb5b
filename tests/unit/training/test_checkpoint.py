from pathlib import Path

import pytest
import torch

from builders import PLAIN, adam_of, tiny_images, tiny_model, tiny_params
from mnist_vae.console.stage import UserError
from mnist_vae.data.history import EpochHistory
from mnist_vae.training.checkpoint import Checkpoint
from mnist_vae.training.loop import Callback, TrainingImages, fit
from mnist_vae.training.state import Training, TrainingState, pack, unpack

IMAGES = TrainingImages(tiny_images(20), tiny_images(7, seed=1))
BITS = {
    "network": "mlp",
    "reconstruction": "bernoulli",
    "binarisation": "dynamic",
    "output_bias": "mean_image",
    "reduction": "sum",
    "kl_weight": 1,
    "importance_samples": 3,
}
EPOCHS = 2.6  # two of 8, 8 and 4 images, and one of 8 and 4
STEPS, ALL_STEPS, ALL_EPOCHS = 3, 8, 3


class StoppedError(Exception):
    pass


class Recorder:
    """Keeps the training, to look at it afterwards, and interrupts it after some steps."""

    def __init__(self, checkpoint: Checkpoint | None = None, after: int = 10**9):
        self._checkpoint, self._after = checkpoint, after
        self.training: Training | None = None

    def on_step(self, training: Training) -> None:
        self.training = training
        if training.steps_done == self._after and self._checkpoint:
            self._checkpoint.save(training.state())
        if training.steps_done > self._after:  # one step more, which is lost
            raise StoppedError

    def on_epoch_end(self, training: Training) -> None:
        pass


def _fit(recorder: Callback, resume: TrainingState | None = None, **changes: object) -> list[EpochHistory]:
    params = tiny_params(epochs=EPOCHS, **changes).of_model()
    histories = fit(tiny_model(epochs=EPOCHS, **changes), IMAGES, params, resume, [recorder])
    return [history._replace(images_per_second=0) for history in histories]


def _state(recorder: Recorder) -> TrainingState:
    assert recorder.training is not None
    return recorder.training.state()


@pytest.mark.parametrize(
    "changes",
    [{"learning_rate_schedule": "one_cycle"}, {"network": "deep", "deep_channels": [2, 2]}, BITS, PLAIN],
    ids=str,
)
@pytest.mark.parametrize("after", range(1, ALL_STEPS))
def test_training_interrupted_after_any_step_ends_with_the_same_bits(
    tmp_path: Path, after: int, changes: dict, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = Recorder()
    expected = _fit(whole, **changes)
    with Checkpoint(tmp_path, "f") as checkpoint:
        with pytest.raises(StoppedError):
            _fit(Recorder(checkpoint, after), **changes)
        torch.rand(3)  # what is drawn in between does not matter
        again = Recorder()
        assert _fit(again, checkpoint.load(), **changes) == expected
    assert capsys.readouterr().out == f"train: resuming at epoch {1 + after // STEPS}, step {after % STEPS}\n" or (
        after % STEPS == 0
    )
    for mine, theirs in ((_state(again).model, _state(whole).model), (_state(again).adam, _state(whole).adam)):
        assert mine.keys() == theirs.keys()
        assert all(torch.equal(mine[name], theirs[name]) for name in theirs)


def test_state_after_the_last_epoch_has_nothing_left_to_do(tmp_path: Path) -> None:
    recorder = Recorder()
    histories = _fit(recorder)
    with Checkpoint(tmp_path, "f") as checkpoint:
        checkpoint.save(_state(recorder))
        again = Recorder()
        assert _fit(again, checkpoint.load()) == histories
    assert again.training is None


def test_checkpoint_is_saved_at_each_epochs_end_and_within_one_when_it_is_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seconds, saved in (("1000", ALL_EPOCHS), ("0", ALL_STEPS + ALL_EPOCHS)):
        monkeypatch.setenv("MNIST_VAE_CHECKPOINT_SECONDS", seconds)
        with Checkpoint(tmp_path, "f") as checkpoint:
            states, save = [], checkpoint.save
            monkeypatch.setattr(checkpoint, "save", lambda state: (states.append(state), save(state)))  # noqa: B023
            _fit(checkpoint)
        assert len(states) == saved


def test_without_a_file_there_is_nothing_to_resume_from(tmp_path: Path) -> None:
    with Checkpoint(tmp_path / "checkpoints", "f") as checkpoint:
        assert checkpoint.load() is None
        checkpoint.remove()


def test_state_is_unpacked_as_it_was_packed() -> None:
    recorder = Recorder()
    histories = fit(tiny_model(), IMAGES, tiny_params(epochs=1.6).of_model(), callbacks=[recorder])
    assert [len(history.steps) for history in histories] == [3, 2]
    state = unpack(pack(_state(recorder)))
    assert (state.epoch, state.histories, len(state.terms)) == (3, histories, 0)
    empty = Training(tiny_model(), adam_of(tiny_model()), [3]).state()
    assert unpack(pack(empty))[:3:2] == (1, [])


def _saved(folder: Path, fingerprint: str = "f") -> Path:
    with Checkpoint(folder, fingerprint) as checkpoint:
        checkpoint.save(Training(tiny_model(), adam_of(tiny_model()), [3]).state())
    return folder / f"{fingerprint}.safetensors"


@pytest.mark.parametrize("kept", [0, 5, 100, 2000, -1])
def test_truncated_file_is_set_aside_with_a_line(tmp_path: Path, kept: int, capsys: pytest.CaptureFixture[str]) -> None:
    path = _saved(tmp_path)
    content = path.read_bytes()[:kept]
    path.write_bytes(content)
    with Checkpoint(tmp_path, "f") as checkpoint:
        assert checkpoint.load() is None
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("train: starting from the beginning: the checkpoint cannot be used (")
    assert (path.exists(), path.with_suffix(".unusable").read_bytes()) == (False, content)


@pytest.mark.parametrize("place", [3, 60, 90, 500, -1])
def test_file_with_a_single_wrong_byte_is_set_aside(tmp_path: Path, place: int) -> None:
    path = _saved(tmp_path)
    content = bytearray(path.read_bytes())
    content[place] ^= 0x80
    path.write_bytes(content)
    with Checkpoint(tmp_path, "f") as checkpoint:
        assert checkpoint.load() is None


def test_file_of_another_training_is_set_aside_with_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _saved(tmp_path, "other").rename(tmp_path / "f.safetensors")
    with Checkpoint(tmp_path, "f") as checkpoint:
        assert checkpoint.load() is None
    assert "it is damaged, or belongs to another training" in capsys.readouterr().out


def test_unfinished_file_leaves_the_former_one_in_place(tmp_path: Path) -> None:
    path = _saved(tmp_path)
    path.with_name(f"{path.name}.unfinished").write_bytes(b"half")
    with Checkpoint(tmp_path, "f") as checkpoint:
        assert checkpoint.load() is not None


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


@pytest.mark.parametrize("seconds", ["soon", "", "1 s"])
def test_seconds_between_checkpoints_that_are_no_number_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: str
) -> None:
    monkeypatch.setenv("MNIST_VAE_CHECKPOINT_SECONDS", seconds)
    with pytest.raises(UserError, match=rf"MNIST_VAE_CHECKPOINT_SECONDS is '{seconds}', but must be a number"):
        Checkpoint(tmp_path, "f")
