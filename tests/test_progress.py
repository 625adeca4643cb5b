import os
import re
import sys

import pytest
import torch

from mnist_vae.console import progress
from mnist_vae.console.progress import TrainingProgress
from mnist_vae.data.history import EpochRow

ROW = EpochRow(2, 0.12345, 40.04, 3.0, 0.5, 60.5, 7.25)
LINE = (
    r"epoch 2/10  train loss 0\.1235 distortion 40\.0 rate 3\.0"
    r"  validation loss 0\.5000 distortion 60\.5 rate 7\.2  [\d,]+ images/s\n"
)


def _train(shown: TrainingProgress) -> None:
    terms = torch.tensor([[1.5, 20.0, 3.0], [0.25, 10.0, 4.0], [0.125, 5.0, 6.0]])
    for step in range(3):
        shown.watch(2, terms[: step + 1])
    shown.epoch_done(ROW)


def test_without_a_terminal_an_epoch_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_READINGS", 0)
    _train(TrainingProgress(epochs=10, images=20, batch_size=8))
    printed = capsys.readouterr()
    assert re.fullmatch(LINE, printed.out + printed.err)


def test_terms_are_not_read_where_nobody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_READINGS", 0)
    # Values of a tensor on "meta" cannot be read.
    TrainingProgress(epochs=10, images=20, batch_size=8).watch(1, torch.empty(2, 3, device="meta"))


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_on_a_terminal_a_bar_shows_images_and_terms(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import pty
    import termios

    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (30, 150))
    os.set_blocking(ours, False)
    with (
        os.fdopen(theirs, "w") as terminal,
        os.fdopen(ours, "rb", buffering=0) as screen,
        monkeypatch.context() as patch,
    ):
        patch.setattr(sys, "stderr", terminal)
        patch.setattr(progress, "_SECONDS_BETWEEN_READINGS", 0)
        _train(TrainingProgress(epochs=10, images=20, batch_size=8))
        shown = (screen.read(100_000) or b"").decode()
    assert "epoch 2/10" in shown
    assert "16/20" in shown
    assert "loss 0.2500 distortion 10.0 rate 4.0" in shown
    assert "\n" not in shown
    assert re.search(r"\r +\r$", shown)  # it leaves no trace on its line
    assert re.fullmatch(LINE, capsys.readouterr().out)


def test_rate_counts_all_the_time_of_an_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    shown = TrainingProgress(epochs=10, images=3000, batch_size=8)
    now = 102.0
    shown.epoch_done(ROW)
    assert shown.images_per_second == 1500
    now = 105.0
    shown.epoch_done(ROW)
    assert shown.images_per_second == 1000
