from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from mnist_vae.common.catalogue import DIGITS
from mnist_vae.console.stage import UserError
from mnist_vae.data.prepared import Prepared, Split, class_number, load_class_names, load_prepared, save_prepared

SPLIT = Split(np.zeros((3, 1, 16, 16), np.uint8), np.array([0, 1, 300], np.uint16))
PREPARED = Prepared(SPLIT, SPLIT, SPLIT)


@pytest.mark.parametrize("names", [(), ("cat", "dog"), ("é, ü", '"'), DIGITS, tuple(map(str, range(301)))])
def test_names_are_kept_beside_the_images(tmp_path: Path, names: tuple[str, ...]) -> None:
    save_prepared(PREPARED, tmp_path / "file", names)
    assert load_class_names(tmp_path / "file") == names
    assert load_prepared(tmp_path / "file").test.labels.tolist() == [0, 1, 300]


def test_ten_digits_leave_the_file_as_it_is_without_names(tmp_path: Path) -> None:
    save_prepared(PREPARED, tmp_path / "digits", DIGITS)
    save_prepared(PREPARED, tmp_path / "others", ("a",))
    assert b"__metadata__" not in (tmp_path / "digits").read_bytes()
    assert load_file(tmp_path / "digits").keys() == load_file(tmp_path / "others").keys()


def test_missing_and_foreign_files_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="file is missing"):
        load_class_names(tmp_path / "file")
    (tmp_path / "file").write_bytes(b"\0" * 20)
    with pytest.raises(UserError, match="file is not a file of prepared data"):
        load_class_names(tmp_path / "file")


@pytest.mark.parametrize(
    ("chosen", "names", "number"),
    [
        ("dog", ("cat", "dog"), 1),
        (1, ("cat", "dog"), 1),
        (2, ("cat", "dog"), None),
        ("1", ("cat", "dog"), None),
        (5, ("3", "4", "5"), 2),  # a name before a number
        (1, ("3", "4", "5"), 1),
        (8, DIGITS, 8),
        (0, (), None),
    ],
)
def test_class_is_chosen_by_its_name_or_else_its_number(
    chosen: int | str, names: tuple[str, ...], number: int | None
) -> None:
    assert class_number(chosen, names) == number
