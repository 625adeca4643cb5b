"""Whatever stands in a file's place, a reader ends in one line that names it."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from builders import tiny_images, tiny_labels, tiny_latents, tiny_model, tiny_params
from mnist_vae.common.params import load_params
from mnist_vae.console.stage import UserError
from mnist_vae.data.history import EpochRow, read_epochs, read_steps
from mnist_vae.data.latents import load_latents, save_latents
from mnist_vae.data.prepared import Prepared, Split, load_prepared, save_prepared
from mnist_vae.figures.arrays import draw_pictures, load_pictures, save_pictures
from mnist_vae.model.file import Origin, load_model, load_origin, save_model
from mnist_vae.sources.idx import read_idx

IMAGES, LATENTS = tiny_images(15), tiny_latents(15)
SPLIT = Split(IMAGES.numpy(), tiny_labels(15))
ORIGIN = Origin(params=tiny_params().of_model(), data_md5="0" * 32, fingerprint="f" * 16)
PICTURES = draw_pictures(tiny_model().eval(), IMAGES, LATENTS, 0, tiny_params().of_figures())
READERS: dict[str, Callable[[Path], object]] = {
    "latents": load_latents,
    "epochs": lambda path: read_epochs(path, 1),
    "steps": lambda path: read_steps(path, 1),
    "idx": lambda path: read_idx(path, 3),
    "model": lambda path: load_model(path, torch.device("cpu")),
    "origin": load_origin,
    "params": load_params,
    "pictures": load_pictures,
    "prepared": load_prepared,
}
# What each file is called, and how one is written, to be truncated.
WRITERS: dict[str, tuple[str, Callable[[Path], None]]] = {
    "latents": ("file of latents", lambda path: save_latents(LATENTS, path)),
    "model": ("model of this project", lambda path: save_model(tiny_model(), ORIGIN, path)),
    "origin": ("model of this project", lambda path: save_model(tiny_model(), ORIGIN, path)),
    "pictures": ("file of pictures", lambda path: save_pictures(PICTURES, path)),
    "prepared": ("file of prepared data", lambda path: save_prepared(Prepared(SPLIT, SPLIT, SPLIT), path)),
}
CONTENTS = {
    "nothing": b"",
    "one byte": b"\0",
    "text": b"a: 1\nb: 2\n",
    "no text": bytes(range(256)),
    "a header of safetensors without an end": (2**62).to_bytes(8, "little") + b"{",
    "a header of safetensors that is not JSON": (4).to_bytes(8, "little") + b"abcd",
    "safetensors with nothing in it": (2).to_bytes(8, "little") + b"{}",
}


def _refusal(reader: str, path: Path) -> str:
    with pytest.raises(UserError) as caught:
        READERS[reader](path)
    text = str(caught.value)
    assert str(path) in text
    assert "\n" not in text
    return text


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("reader", READERS)
def test_foreign_content_is_refused_by_name(tmp_path: Path, reader: str, content: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(CONTENTS[content])
    _refusal(reader, path)


@pytest.mark.parametrize("kept", [0, 5, 100, -1])
@pytest.mark.parametrize("reader", WRITERS)
def test_truncated_file_is_refused_by_name(tmp_path: Path, reader: str, kept: int) -> None:
    path, (kind, write) = tmp_path / "file", WRITERS[reader]
    write(path)
    path.write_bytes(path.read_bytes()[:kept])
    refusal = _refusal(reader, path)
    assert f"is not a {kind} (" in refusal
    assert "dvc repro" in refusal


@pytest.mark.parametrize("reader", READERS)
def test_folder_in_its_place_is_refused_by_name(tmp_path: Path, reader: str) -> None:
    _refusal(reader, tmp_path)


@pytest.mark.parametrize("reader", READERS)
def test_missing_file_is_refused_by_name(tmp_path: Path, reader: str) -> None:
    assert "missing" in _refusal(reader, tmp_path / "file") or reader in {"epochs", "steps"}


@pytest.mark.parametrize("wrong", [{"train_loss": "a"}, {"epoch": "one"}, {"epoch": "1.5"}])
def test_text_in_place_of_a_number_is_refused_by_name(tmp_path: Path, wrong: dict[str, str]) -> None:
    row = dict.fromkeys(EpochRow._fields, "1") | wrong
    path = tmp_path / "epochs.csv"
    path.write_text(f"{','.join(row)}\n{','.join(row.values())}\n")
    assert "cannot be read" in _refusal("epochs", path)
