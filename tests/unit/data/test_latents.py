from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from builders import tiny_latents
from mnist_vae.console.stage import UserError
from mnist_vae.data.latents import load_latents, save_latents


def test_what_was_saved_is_loaded_again(tmp_path: Path) -> None:
    path, latents = tmp_path / "reports" / "latents.safetensors", tiny_latents(15)
    save_latents(latents, path)
    for again, array in zip(load_latents(path), latents, strict=True):
        assert again.dtype == array.dtype
        assert np.array_equal(again, array)


def test_arrays_in_fortran_order_are_saved_correctly(tmp_path: Path) -> None:
    latents = tiny_latents(15)
    save_latents(latents._replace(mean=np.asfortranarray(latents.mean)), tmp_path / "latents")
    assert np.array_equal(load_latents(tmp_path / "latents").mean, latents.mean)


def test_two_savings_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        save_latents(tiny_latents(15), tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_foreign_and_missing_files_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "latents.safetensors"
    with pytest.raises(UserError, match=r"latents\.safetensors is missing"):
        load_latents(path)
    save_file({"mean": np.zeros((3, 2), np.float32)}, path)
    with pytest.raises(UserError, match=r"latents\.safetensors is not a file of latents .*kl"):
        load_latents(path)
