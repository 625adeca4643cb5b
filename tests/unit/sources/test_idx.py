import gzip
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from builders import plain_idx
from mnist_vae.console.stage import UserError
from mnist_vae.sources.idx import idx_bytes, read_idx

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 4, 3)).astype(np.uint8)
LABELS = np.arange(7, dtype=np.uint8)


@pytest.mark.parametrize("array", [IMAGES, LABELS, np.zeros((0, 2), np.uint8)])
@pytest.mark.parametrize("name", ["some-idx-ubyte", "some-idx-ubyte.gz"])
def test_what_was_written_is_read_again(tmp_path: Path, array: np.ndarray, name: str) -> None:
    content = idx_bytes(array)
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    again = read_idx(tmp_path / name, array.ndim)
    assert again.dtype == np.uint8
    assert np.array_equal(again, array)


def test_content_is_that_of_the_formats_description() -> None:
    assert idx_bytes(IMAGES) == plain_idx(IMAGES)
    assert idx_bytes(IMAGES[:, ::-1, ::2]) == plain_idx(np.ascontiguousarray(IMAGES[:, ::-1, ::2]))


def test_torchvisions_reader_reads_the_same(tmp_path: Path) -> None:
    from torchvision.datasets.mnist import read_sn3_pascalvincent_tensor

    path = tmp_path / "some-idx3-ubyte"
    path.write_bytes(plain_idx(IMAGES))
    assert np.array_equal(read_sn3_pascalvincent_tensor(str(path)).numpy(), read_idx(path, 3))
    path.write_bytes(idx_bytes(LABELS))
    assert read_sn3_pascalvincent_tensor(str(path)).tolist() == LABELS.tolist()


WHOLE = plain_idx(IMAGES)
BAD = {
    "empty": b"",
    "header alone, cut": WHOLE[:10],
    "other magic": b"\1" + WHOLE[1:],
    "other element type": WHOLE[:2] + b"\x0d" + WHOLE[3:],
    "other dimension": plain_idx(LABELS),
    "a byte less": WHOLE[:-1],
    "a byte more": WHOLE + b"\0",
    "no data": WHOLE[:16],
    "more than the bound": WHOLE[:4] + b"\xff" * 12,
}


@pytest.mark.parametrize("content", BAD.values(), ids=BAD)
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_bad_content_is_refused_by_name(tmp_path: Path, content: bytes, suffix: str) -> None:
    path = tmp_path / f"some-idx3-ubyte{suffix}"
    path.write_bytes(gzip.compress(content) if suffix else content)
    _assert_refused(path)


PACKED = gzip.compress(WHOLE)
BAD_PACKED = {
    "empty": b"",
    "not packed": WHOLE,
    "cut": PACKED[: len(PACKED) // 2],
    "without its end": PACKED[:-4],
    "wrong sum": PACKED[:-8] + b"\0\0\0\0" + PACKED[-4:],
    "damaged stream": PACKED[:10] + b"\xff" * 20 + PACKED[30:],
    "trailing bytes": PACKED + b"more",
}


@pytest.mark.parametrize("content", BAD_PACKED.values(), ids=BAD_PACKED)
def test_bad_gzip_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "some-idx3-ubyte.gz"
    path.write_bytes(content)
    _assert_refused(path)


def test_counts_of_announced_and_found_bytes_are_named(tmp_path: Path) -> None:
    path = tmp_path / "some-idx3-ubyte"
    path.write_bytes(WHOLE[:-2])
    with pytest.raises(UserError, match=r"announces 60 bytes of shape \(5, 4, 3\), but contains only 58"):
        read_idx(path, 3)


def test_header_that_announces_more_than_the_bound_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    path = tmp_path / "some-idx3-ubyte"
    path.write_bytes(WHOLE[:4] + b"\0\2\0\0" * 2 + b"\0\0\0\1")  # 2^34 bytes
    with pytest.raises(UserError, match="files above 4,294,967,296 bytes are not read"):
        read_idx(path, 3)


def test_gzip_that_unpacks_to_more_than_announced_is_not_unpacked_whole(tmp_path: Path) -> None:
    path = tmp_path / "some-idx3-ubyte.gz"
    path.write_bytes(gzip.compress(WHOLE + bytes(100_000_000)))
    tracemalloc.start()
    with pytest.raises(UserError, match="but contains more"):
        read_idx(path, 3)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000


def test_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    _assert_refused(tmp_path / "some-idx3-ubyte.gz")


def _assert_refused(path: Path) -> None:
    with pytest.raises(UserError) as caught:
        read_idx(path, 3)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
