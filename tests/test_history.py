from pathlib import Path

import numpy as np
import pytest

from mnist_vae.console.stage import UserError
from mnist_vae.data.history import EpochRow, StepRow, read_epochs, read_steps, write_history


def test_float32_values_come_back_to_the_bit(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    drawn = random.integers(0, 2**31, 3000).astype(np.uint32).view(np.float32)  # of all sizes
    values = [*drawn[np.isfinite(drawn)].tolist(), 0.1, 1e-45, 3.4028234e38]
    rows = [StepRow(1, step, float(np.float32(value))) for step, value in enumerate(values, start=1)]
    write_history(rows, StepRow._fields, tmp_path / "steps.csv")
    again = read_steps(tmp_path / "steps.csv", len(values))
    assert [(row.epoch, row.step) for row in again] == [(row.epoch, row.step) for row in rows]
    assert [np.float32(row.loss) for row in again] == [np.float32(row.loss) for row in rows]


def test_epochs_come_back_with_each_term_in_its_place(tmp_path: Path) -> None:
    rows = [EpochRow(epoch, *(epoch + part / 8 for part in range(6))) for epoch in (1, 2, 3)]
    write_history(rows, EpochRow._fields, tmp_path / "history" / "epochs.csv")
    assert read_epochs(tmp_path / "history" / "epochs.csv", 3) == rows


def test_files_begin_with_the_names_and_have_a_line_for_each_row(tmp_path: Path) -> None:
    write_history([EpochRow(1, 0.5, 2.0, 3.0, 4.0, 5.0, 6.0)], EpochRow._fields, tmp_path / "epochs.csv")
    assert (tmp_path / "epochs.csv").read_bytes() == (
        b"epoch,train_loss,train_distortion_per_image,train_kl_nats_per_image,"
        b"validation_loss,validation_distortion_per_image,validation_kl_nats_per_image\n"
        b"1,0.5,2,3,4,5,6\n"
    )
    write_history([StepRow(1, 1, 0.25), StepRow(1, 2, 1e-9)], StepRow._fields, tmp_path / "steps.csv")
    assert (tmp_path / "steps.csv").read_bytes() == b"epoch,step,loss\n1,1,0.25\n1,2,1e-09\n"


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
    path = tmp_path / "steps.csv"
    write_history([StepRow(1, step, 0.5) for step in (1, 2, 3)], StepRow._fields, path)
    path.write_text("".join(path.read_text().splitlines(keepends=True)[: 1 + kept]))
    with pytest.raises(UserError, match=r"steps\.csv does not hold the whole training"):
        read_steps(path, 3)
