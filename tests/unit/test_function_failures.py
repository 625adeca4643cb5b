"""Every row of the table of failures that a function meets: it ends in one line that says what is wrong."""

from pathlib import Path

import pytest
import yaml

from failures import BASE, RAW, Failure, failures
from mnist_vae.console.stage import UserError
from tiny_mnist import tiny_files

FAILURES = list(failures())
GROUPS = sorted({(one.function, one.stage, one.what.partition(" ")[0]) for one in FAILURES if one.function}, key=str)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with parameters and original files, and the current one."""
    (tmp_path / RAW).mkdir(parents=True)
    for file in tiny_files():
        (tmp_path / RAW / file.name).write_bytes(file.content)
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(BASE))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("subject", GROUPS, ids=[what for _, _, what in GROUPS])
def test_every_value_that_is_wrong_is_refused_in_a_line(folder: Path, subject: tuple) -> None:
    rows = [one for one in FAILURES if (one.function, one.stage, one.what.partition(" ")[0]) == subject]
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    for failure in rows:
        failure.spoil(folder)
        _refused(failure)
        for path, content in before.items():
            path.write_bytes(content)


def _refused(failure: Failure) -> None:
    assert failure.function is not None
    with pytest.raises(UserError) as caught:
        failure.function()
    for part in failure.says:
        assert part in str(caught.value), failure.what
    assert "\n" not in str(caught.value), failure.what


def test_rows_differ() -> None:
    rows = [(one.stage, one.what) for one in FAILURES]
    assert len(rows) == len(set(rows))


def test_undamaged_files_cause_no_failure(folder: Path) -> None:
    for function in {one.function for one in FAILURES if one.function}:
        function()
