"""Data sets larger than the memory that the process may have.

The limit is RLIMIT_DATA: of what a process may have of its own, written or not, without the pages of files that it maps
to read them. (RLIMIT_AS counts those too, although the system can drop them at any time.)
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the memory of a process's own so")

TESTS = Path(__file__).parent
# Limits the process to what it has, and so much more; gives the limit.
LIMIT = """
import resource, sys
from pathlib import Path
import numpy as np

def limit_memory(more):
    status = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
    limit = int(status["VmData"].split()[0]) * 1024 + more
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    return limit
"""
# Trains an epoch on a file of black images, larger than the limit, whose bytes the disk does not hold. The batches are
# whole; the network sees a 16×16 part of each image, which makes it fast.
TRAIN = f"""{LIMIT}
import torch
from builders import tiny_params
from mnist_vae.data.array_file import ArrayKind, ArrayWriter
from mnist_vae.model.autoencoder import build_autoencoder
from mnist_vae.common.device import place, prepare_device
from mnist_vae.data.prepared import Prepared, Split, load_prepared
from mnist_vae.training.loop import Training
from safetensors.numpy import load_file

def load_whole(path):
    arrays = load_file(path)
    return Prepared(*(Split(arrays[name + "_images"], arrays[name + "_labels"]) for name in Prepared._fields))

params = tiny_params(batch_size=32, shuffle_block=64).of_model()
device = prepare_device("cpu", 1, deterministic=True)
reader, path = sys.argv[1], Path(sys.argv[2])
limit = limit_memory(200 << 20)
images = limit * 5 // 4 // 512**2 // 32 * 32
kinds = {{}}
for name, count in ("train", images), ("validation", 8), ("test", 8):
    kinds[name + "_images"] = ArrayKind(np.dtype(np.uint8), (count, 1, 512, 512))
    kinds[name + "_labels"] = ArrayKind(np.dtype(np.uint8), (count,))
with path.open("wb") as file:
    ArrayWriter(file, kinds)
    file.truncate(file.tell() + (images + 16) * (512**2 + 1))
assert path.stat().st_size > 1.2 * limit
model = build_autoencoder(params)
whole_terms = model.terms
model.terms = lambda images, *rest, **named: whole_terms(images[:, :, ::32, ::32], *rest, **named)
prepared = (load_prepared if reader == "mapped" else load_whole)(path)
training = Training(model, place(prepared.train.images, device), place(prepared.validation.images, device), params)
for history in training.run():
    print(len(history.steps) * 32 == images)
"""
# Prepares a file larger than the limit.
PREPARE = f"""{LIMIT}
from mnist_vae.common.catalogue import Dataset, SourceFile
from mnist_vae.sources.idx import idx_bytes
from mnist_vae.sources.prepare import prepare

folder, images = Path(sys.argv[1]), np.random.default_rng(0).integers(0, 256, (1000, 28, 28), dtype=np.uint8)
limit = limit_memory(32 << 20)
(folder / "images").write_bytes(idx_bytes(images))
(folder / "labels").write_bytes(idx_bytes(images[:, 14, 14] % 10))
files = [SourceFile("images", ""), SourceFile("labels", "")] * 2
dataset = Dataset("made up", 1000, 1000, *files, torchvision_class=None)
prepared = prepare(dataset, folder, 512, 100, 0, folder / "prepared.safetensors")
print((folder / "prepared.safetensors").stat().st_size > 1.2 * limit, len(prepared.train.labels) == 900)
"""


def _run(script: str, *arguments: object) -> subprocess.CompletedProcess:
    threads = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "OPENBLAS")}  # each reserves memory
    environment = os.environ | threads | {"PYTHONPATH": f"{TESTS.parent / 'src'}:{TESTS}"}
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_training_reads_a_file_larger_than_its_memory(tmp_path: Path) -> None:
    path = tmp_path / "prepared.safetensors"
    try:
        done = _run(TRAIN, "mapped", path)
        assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr
    finally:
        path.unlink()


def test_reader_of_whole_files_does_not_get_through_that_limit(tmp_path: Path) -> None:
    path = tmp_path / "prepared.safetensors"
    try:
        done = _run(TRAIN, "whole", path)
        assert done.returncode != 0
        assert "memory" in done.stderr.lower(), done.stderr
    finally:
        path.unlink()


def test_preparation_writes_a_file_larger_than_its_memory(tmp_path: Path) -> None:
    done = _run(PREPARE, tmp_path)
    (tmp_path / "prepared.safetensors").unlink(missing_ok=True)
    assert (done.returncode, done.stdout) == (0, "True True\n"), done.stderr
