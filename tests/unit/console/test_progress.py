import os
import re
import sys
from types import SimpleNamespace

import pytest
import torch

from builders import epoch_row
from mnist_vae.console import progress
from mnist_vae.console.progress import ProgressBar
from mnist_vae.data.history import EpochHistory

ROW = epoch_row(
    2,
    train_loss=0.12345,
    train_reconstruction_error_per_image=40.04,
    train_kl_nats_per_image=3.0,
    validation_loss=0.5,
    validation_reconstruction_error_per_image=60.5,
    validation_kl_nats_per_image=7.25,
)
LINE = (
    r"epoch 2/10  train loss 0\.1235 reconstruction 40\.0 KL 3\.0"
    r"  validation loss 0\.5000 reconstruction 60\.5 KL 7\.2  1,234 images/s\n"
)


def _training(epoch: int, terms: torch.Tensor) -> SimpleNamespace:
    """As a callback sees a training, after the last epoch's end."""
    return SimpleNamespace(epoch=epoch, terms=terms, histories=[EpochHistory(ROW, [], 1234.5)])


def _train(shown: ProgressBar) -> None:
    terms = torch.tensor([[1.5, 20.0, 3.0], [0.25, 10.0, 4.0], [0.125, 5.0, 6.0]])
    for step in range(3):
        shown.on_step(_training(2, terms[: step + 1]))
    shown.on_epoch_end(_training(3, terms[:0]))


def test_without_a_terminal_an_epoch_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_READINGS", 0)
    _train(ProgressBar([50, 20] + [50] * 8, batch_size=8))
    printed = capsys.readouterr()
    assert re.fullmatch(LINE, printed.out + printed.err)


def test_terms_are_not_read_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_READINGS", 0)
    # Values of a tensor on "meta" cannot be read.
    ProgressBar([50, 20] + [50] * 8, batch_size=8).on_step(_training(1, torch.empty(2, 3, device="meta")))


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_on_a_terminal_a_bar_shows_images_and_terms(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import pty
    import termios

    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (30, 150))
    with (
        os.fdopen(theirs, "w") as terminal,
        os.fdopen(ours, "rb", buffering=0) as screen,
        monkeypatch.context() as patch,
    ):
        patch.setattr(sys, "stderr", terminal)
        patch.setattr(progress, "_SECONDS_BETWEEN_READINGS", 0)
        _train(ProgressBar([50, 20] + [50] * 8, batch_size=8))
        # The kernel hands the characters on in parts and in its own time, so an end mark tells when all are there.
        terminal.write("END")
        terminal.flush()
        seen = b""
        while not seen.endswith(b"END"):
            seen += screen.read(4096)
    shown = seen.removesuffix(b"END").decode()
    assert "epoch 2/10" in shown
    assert "16/20" in shown
    assert "loss 0.2500 reconstruction 10.0 KL 4.0" in shown
    assert "\n" not in shown
    assert re.search(r"\r +\r$", shown)  # it leaves no trace on its line
    assert re.fullmatch(LINE, capsys.readouterr().out)


def test_likelihood_has_a_line_a_minute_where_there_is_no_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = iter([0.0, 20.0, 70.0, 70.0, 80.0, 131.0, 131.0, 140.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(now))
    shown = progress.LikelihoodProgress(10_000)
    for _ in range(5):
        shown.on_part(2000)
    out, err = capsys.readouterr()
    assert out.splitlines() == [f"evaluate: likelihood of {done:,} of 10,000 images" for done in (4000, 8000)]
    assert err == ""


def test_likelihood_has_a_bar_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    shown = progress.LikelihoodProgress(100)
    shown.on_part(50)
    shown.on_part(50)
    out, err = capsys.readouterr()
    assert out == ""
    assert "likelihood" in err
