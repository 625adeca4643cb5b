"""Whatever stands in params.yaml, an original file or a checkpoint: taken as what it is, or refused in one line."""

import gzip
import math
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builders import TINY, plain_idx, tiny_images, tiny_model, tiny_params
from mnist_vae.common.params import load_params
from mnist_vae.console.stage import UserError
from mnist_vae.sources.idx import read_idx
from mnist_vae.training.checkpoint import Checkpoint
from mnist_vae.training.loop import TrainingImages, fit

Content = TypeVar("Content")
# The same examples for everyone, each time: what is found is found by all.
FUZZ = settings(
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=300,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.dates(),
    st.datetimes(),
    st.binary(max_size=10),
    st.sampled_from(["1e-3", "0x10", "1_000", "~", "yes", "!!int", "&a", "*a", "<<", "[", "{", "- ", ": "]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(SCALARS, inner, max_size=3)),
    max_leaves=8,
)


def _read(read: Callable[[Path], Content], path: Path, content: bytes) -> Content | None:
    """What is read from a file of that content, or None if it is refused in one line that names it."""
    path.write_bytes(content)
    try:
        return read(path)
    except UserError as error:
        refusal = str(error)
    assert str(path) in refusal
    assert "\n" not in refusal
    return None


@FUZZ
@given(
    content=st.one_of(st.binary(max_size=200), st.text(max_size=200).map(lambda text: text.encode(errors="replace")))
)
def test_any_content_of_params_yaml_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    assert _read(load_params, tmp_path / "params.yaml", content) is None


@FUZZ
@given(changes=st.dictionaries(st.one_of(st.sampled_from(sorted(TINY)), SCALARS), VALUES, min_size=1, max_size=3))
def test_any_parameter_value_is_accepted_unchanged_or_refused(tmp_path: Path, changes: dict) -> None:
    content = TINY | changes
    written = yaml.dump(content, allow_unicode=True).encode(errors="replace")
    params = _read(load_params, tmp_path / "params.yaml", written)
    if params is not None:
        assert {key: list(value) if isinstance(value, tuple) else value for key, value in params} == content
        assert all(math.isfinite(value) for _, value in params if isinstance(value, float))


@FUZZ
@given(data=st.data())
def test_params_yaml_with_any_bytes_changed_is_read_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(yaml.safe_dump(TINY).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    _read(load_params, tmp_path / "params.yaml", bytes(content))


ARRAYS = st.lists(st.integers(0, 5), min_size=1, max_size=4).map(
    lambda shape: np.arange(math.prod(shape)).reshape(shape)
)


@FUZZ
@given(array=ARRAYS, dimensions=st.integers(1, 4), suffix=st.sampled_from(["", ".gz"]), data=st.data())
def test_any_idx_file_is_read_whole_or_refused(
    tmp_path: Path, array: np.ndarray, dimensions: int, suffix: str, data: st.DataObject
) -> None:
    array = array.astype(np.uint8)
    content = bytearray(plain_idx(array))
    for _ in range(data.draw(st.integers(0, 3))):
        match data.draw(st.sampled_from(["change", "cut", "add"])):
            case "change" if content:
                content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
            case "cut":
                del content[data.draw(st.integers(0, len(content))) :]
            case _:
                content += data.draw(st.binary(max_size=4))
    written = gzip.compress(bytes(content)) if suffix else bytes(content)
    found = _read(lambda path: read_idx(path, dimensions), tmp_path / f"some-idx-ubyte{suffix}", written)
    if found is None:
        assert bytes(content) != plain_idx(array) or dimensions != array.ndim
    else:
        assert plain_idx(found) == bytes(content)  # as the format's description has it


@FUZZ
@given(packed=st.binary(max_size=60), cut=st.integers(0, 200), place=st.integers(0, 200), byte=st.integers(0, 255))
def test_any_damage_to_a_gzip_is_refused(tmp_path: Path, packed: bytes, cut: int, place: int, byte: int) -> None:
    array = np.frombuffer(packed, np.uint8)
    whole = gzip.compress(plain_idx(array), mtime=0)
    damaged = bytearray(whole[: len(whole) - cut % len(whole)])
    damaged[place % len(damaged)] = byte
    found = _read(lambda path: read_idx(path, 1), tmp_path / "some-idx1-ubyte.gz", bytes(damaged))
    # Only what does not count may have changed, such as the time in the header.
    assert found is None or np.array_equal(found, array)


@pytest.fixture(scope="module")
def checkpoint_file(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("checkpoint")
    images = TrainingImages(tiny_images(20), tiny_images(7))
    with Checkpoint(folder, "f") as checkpoint:
        fit(tiny_model(), images, tiny_params(epochs=2).of_model(), callbacks=[checkpoint])
    return (folder / "f.safetensors").read_bytes()


@FUZZ
@given(data=st.data())
def test_any_damage_to_a_checkpoint_starts_from_the_beginning(
    tmp_path: Path, checkpoint_file: bytes, data: st.DataObject
) -> None:
    content = bytearray(checkpoint_file)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.one_of(st.integers(0, 400), st.integers(0, len(content) - 1)))
        content[place] = data.draw(st.one_of(st.integers(48, 57), st.integers(0, 255)))
    del content[len(content) - data.draw(st.sampled_from([0, 0, 1, 300])) :]
    (tmp_path / "f.safetensors").write_bytes(content)
    with Checkpoint(tmp_path, "f") as checkpoint:
        state = checkpoint.load()
    if content == checkpoint_file:
        assert state is not None
    else:
        assert state is None
        assert (tmp_path / "f.unusable").read_bytes() == content
