from pathlib import Path

import numpy as np
import pytest

from builders import epoch_history, epoch_row
from mnist_vae.console.stage import UserError
from mnist_vae.data.history import EpochHistory, EpochRow, StepRow, read_epochs, read_steps, save_history


def _save(folder: Path, *histories: EpochHistory) -> tuple[Path, Path]:
    paths = folder / "history" / "epochs.csv", folder / "steps.csv"
    save_history(histories, *paths)
    return paths


def test_float32_values_come_back_to_the_bit(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    drawn = random.integers(0, 2**31, 3000).astype(np.uint32).view(np.float32)  # of all sizes
    values = [*drawn[np.isfinite(drawn)].tolist(), 0.1, 1e-45, 3.4028234e38]
    rows = [StepRow(1, step, float(np.float32(value))) for step, value in enumerate(values, start=1)]
    _, path = _save(tmp_path, EpochHistory(epoch_row(), rows, 1.0))
    again = read_steps(path, len(values))
    assert [(row.epoch, row.step) for row in again] == [(row.epoch, row.step) for row in rows]
    assert [np.float32(row.loss) for row in again] == [np.float32(row.loss) for row in rows]


def test_epochs_come_back_with_each_term_in_its_place(tmp_path: Path) -> None:
    histories = [epoch_history(epoch) for epoch in (1, 2, 3)]
    path, _ = _save(tmp_path, *histories)
    assert read_epochs(path, 3) == [history.epoch for history in histories]


def test_files_begin_with_the_names_and_have_a_line_for_each_row(tmp_path: Path) -> None:
    steps = [StepRow(1, 1, 0.25), StepRow(1, 2, 1e-9)]
    epochs_path, steps_path = _save(tmp_path, EpochHistory(epoch_row(train_loss=0.5, validation_loss=4.0), steps, 9.0))
    header, line = epochs_path.read_text().splitlines()
    assert header == ",".join(EpochRow._fields)
    columns = dict(zip(header.split(","), line.split(","), strict=True))
    assert (columns["epoch"], columns["train_loss"], columns["validation_loss"]) == ("1", "0.5", "4")
    assert steps_path.read_bytes() == b"epoch,step,loss\n1,1,0.25\n1,2,1e-09\n"


def test_missing_history_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"epochs\.csv cannot be read"):
        read_epochs(tmp_path / "epochs.csv", 1)


@pytest.mark.parametrize("content", ["", "epoch,step\n1,1\n", "epoch,step,loss\n1,1\n"])
def test_foreign_history_is_refused_by_name(tmp_path: Path, content: str) -> None:
    (tmp_path / "steps.csv").write_text(content)
    with pytest.raises(UserError, match=r"steps\.csv"):
        read_steps(tmp_path / "steps.csv", 1)


@pytest.mark.parametrize("kept", [0, 1, 2])
def test_history_without_its_last_lines_is_refused_by_name(tmp_path: Path, kept: int) -> None:
    _, path = _save(tmp_path, epoch_history(steps=3))
    path.write_text("".join(path.read_text().splitlines(keepends=True)[: 1 + kept]))
    with pytest.raises(UserError, match=r"steps\.csv does not contain the whole training"):
        read_steps(path, 3)
