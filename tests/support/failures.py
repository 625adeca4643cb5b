"""A table of what can go wrong: the stage that fails, how the failure is caused, and what its one line must say."""

import gzip
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import yaml
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from builders import TINY, plain_idx
from mnist_vae.common.catalogue import DATASETS
from mnist_vae.common.params import load_params
from mnist_vae.sources.prepare import prepare
from stage_process import Circumstances
from tiny_mnist import TEST_SIZE, TRAIN_SIZE
from wrong_params import CONTRADICTIONS, WRONG

RAW = Path("data/raw/mnist")
PREPARED = Path("data/prepared.safetensors")
MODEL = Path("models/model.safetensors")
LATENTS = Path("reports/latents.safetensors")
EPOCHS, STEPS = Path("reports/history/epochs.csv"), Path("reports/history/steps.csv")
ENVIRONMENT, METRICS = Path("reports/environment.json"), Path("reports/metrics.json")
CLASSES = Path("reports/classes.csv")
PICTURES, FIGURES = Path("reports/pictures.safetensors"), Path("reports/figures")
BASE = TINY | {"dataset": "mnist"}  # the folder's parameters; its MNIST is the tests' tiny one
STAGES = ("download", "preprocess", "train", "evaluate", "render")
TRAIN_IMAGES, TRAIN_LABELS = RAW / "train-images-idx3-ubyte.gz", RAW / "train-labels-idx1-ubyte.gz"
TEST_IMAGES, TEST_LABELS = RAW / "t10k-images-idx3-ubyte.gz", RAW / "t10k-labels-idx1-ubyte.gz"

Spoil = Callable[[Path], object]


class Failure(NamedTuple):
    """A failure of a stage: its kind, what is wrong, the function that causes it in a folder, and what the line says.

    DVC gives a stage no arguments. `function`, if any, is the part of the stage that fails. It can be called in the
    folder instead of the stage.
    """

    kind: str
    what: str
    stage: str
    spoil: Spoil
    says: list[str]
    around: Circumstances = Circumstances()
    arguments: Sequence[str] = ()
    function: Callable[[], object] | None = None


def failures() -> Iterator[Failure]:
    """All rows of the table."""
    yield from _parameters()
    yield from _original_files()
    yield from _stages_files()
    yield from _model_files()
    yield from _training()
    yield from _machine()


def _parameters() -> Iterator[Failure]:
    row = partial(Failure, "a parameter", stage="download", function=_load_params)
    for key, values in WRONG.items():
        for value in values:
            says = [f"params.yaml: {key} is {value!r}, but must be "]
            yield row(f"{key} is {value!r}", spoil=_params({key: value}), says=says)
        yield row(f"{key} is missing", spoil=_params({}, without=key), says=[f"{key} is missing"])
    for changes, says in CONTRADICTIONS:
        yield row(f"{changes} together", spoil=_params({"dataset": "digits"} | changes), says=says)
    yield row("an unknown key", spoil=_params({"kl_wieght": 1}), says=["kl_wieght (value 1) is not a parameter"])
    texts = {
        "a key twice": ("kl_weight: 0.1\nkl_weight: 0.2\n", "kl_weight appears twice"),
        "no YAML": ("seed: [\n", "is not YAML"),
        "a tab": ("\tseed: 1\n", "is not YAML"),
        "a list": ("- 1\n", "not a line `key: value`"),
        "nothing": ("", "not a line `key: value`"),
        "nesting without end": ("[" * 5000, "is not YAML"),
        "an object of Python": ("!!python/object/apply:os.system ['true']\n", "is not YAML"),
    }
    for what, (text, says) in texts.items():
        yield row(f"params.yaml holds {what}", spoil=_write(Path("params.yaml"), text.encode()), says=[says])
    yield row("params.yaml is not text", spoil=_write(Path("params.yaml"), b"\xff\xfe\x00"), says=["is not YAML"])
    yield row("params.yaml is missing", spoil=_remove(Path("params.yaml")), says=["is missing", "git restore"])


def _original_files() -> Iterator[Failure]:
    def row(what: str, path: Path, content: Callable[[bytes], bytes] | None, *says: str) -> Failure:
        spoil = _remove(path) if content is None else _unpacked(path, content)
        what = f"{path.name}: {what}"
        return Failure("an original file", what, "preprocess", spoil, [str(path), *says], function=_prepare)

    def packed(what: str, content: Callable[[bytes], bytes]) -> Failure:
        spoil, says = _change(TRAIN_IMAGES, content), [str(TRAIN_IMAGES), "cannot be read"]
        return Failure("an original file", f"bad gzip: {what}", "preprocess", spoil, says, function=_prepare)

    for path in (TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS):
        yield row("missing", path, None, "is missing")
        yield row("cut", path, lambda content: content[:-7], "announces", "but contains only")
        yield row("header alone, cut", path, lambda content: content[:6], "is not an IDX file")
        yield row("empty", path, lambda content: b"", "is not an IDX file")
        yield row("a byte more", path, lambda content: content + b"\0", "announces", "but contains more")
        yield row("wrong magic", path, lambda content: b"\1" + content[1:], "is not an IDX file")
        yield row("numbers of another type", path, lambda content: content[:2] + b"\x0d" + content[3:], "is not an IDX")
        yield row(
            "other count announced",
            path,
            lambda content: content[:6] + b"\1\1" + content[8:],
            "announces",
            "but contains only",
        )
    yield row("fewer images", TRAIN_IMAGES, lambda _: plain_idx(np.zeros((9, 28, 28), np.uint8)), "holds 9 items")
    yield row("more labels than images", TRAIN_LABELS, lambda _: plain_idx(np.zeros(161, np.uint8)), "holds 161 items")
    yield row("a label 10", TEST_LABELS, lambda content: content[:-1] + b"\x0a", "contains the label 10")
    huge = (0x803).to_bytes(4, "big") + (2**31).to_bytes(4, "big") * 3
    yield row("announces exabytes", TRAIN_IMAGES, lambda _: huge, "are not read")
    yield row("unpacks to more than announced", TRAIN_IMAGES, lambda one: one + bytes(200_000_000), "but contains more")
    for first, second in ((TRAIN_IMAGES, TEST_IMAGES), (TRAIN_LABELS, TEST_LABELS), (TRAIN_IMAGES, TRAIN_LABELS)):
        what = f"{first.name} and {second.name} swapped"
        spoil = partial(_swap, first, second)
        yield Failure("an original file", what, "preprocess", spoil, [str(first)], function=_prepare)
    yield packed("not packed", gzip.decompress)
    yield packed("cut", lambda content: content[: len(content) // 2])
    yield packed("without its end", lambda content: content[:-4])
    yield packed("wrong sum", lambda content: content[:-8] + b"\0\0\0\0" + content[-4:])
    yield packed("damaged", lambda content: content[:10] + b"\xff" * 20 + content[30:])
    yield packed("more behind it", lambda content: content + b"more")
    download = partial(Failure, "an original file", stage="download")
    stranger = _write(RAW / "notes.txt", b"mine")
    yield download("another file among them", spoil=stranger, says=["holds notes.txt", "move it elsewhere"])
    around = Circumstances({"MNIST_MIRROR": "ftp://someone:secret@example.org"})
    says = ["MNIST_MIRROR is ftp://example.org, but must be a folder or an http(s) address"]
    yield download("a mirror of another kind", spoil=_remove(TRAIN_IMAGES), says=says, around=around)


def _stages_files() -> Iterator[Failure]:
    readers = {
        PREPARED: ("train", "evaluate", "render"),
        MODEL: ("evaluate", "render"),
        LATENTS: ("render",),
        EPOCHS: ("render",),
        STEPS: ("render",),
        METRICS: ("render",),
        CLASSES: ("render",),
    }
    contents = {"empty": b"", "a foreign text": b"a: 1\nb: 2\n", "zeros": bytes(1000)}
    for path, stages in readers.items():
        for stage in stages:
            row = partial(Failure, "a file of another stage", stage=stage)
            yield row(f"{path.name} is missing", spoil=_remove(path), says=[str(path), "run `dvc repro"])
            yield row(f"{path.name} is a folder", spoil=_folder(path), says=[str(path)])
            yield row(f"{path.name} is cut", spoil=_change(path, _half), says=[str(path), "dvc repro"])
            for what, content in contents.items():
                yield row(f"{path.name} is {what}", spoil=_write(path, content), says=[str(path), "dvc repro"])


def _model_files() -> Iterator[Failure]:
    def row(what: str, spoil: Spoil, *says: str) -> Iterator[Failure]:
        for stage in ("evaluate", "render"):
            yield Failure("the model's file", what, stage, spoil, [str(MODEL), *says, "delete it and run `dvc repro`"])

    def without(weights: dict[str, torch.Tensor]) -> None:
        del weights["encoder.layers.3.weight"]

    def other_network(weights: dict[str, torch.Tensor]) -> None:
        weights["encoder.layers.0.weight"] = torch.zeros(5, 784)

    def spoilt(number: float, weights: dict[str, torch.Tensor]) -> None:
        weights["encoder.layers.3.weight"].view(-1)[3] = number

    def foreign(metadata: dict) -> None:
        metadata.clear()

    def other_latent_dim(metadata: dict) -> None:
        metadata["params"]["latent_dim"] = 5

    def wrong_params(metadata: dict) -> None:
        metadata["params"]["epochs"] = -1

    yield from row("a tensor is missing", _weights(without), "does not fit its own parameters", "encoder.layers.3")
    yield from row("it has another network's weights", _weights(other_network), "does not fit its own parameters")
    for number in (float("nan"), float("inf")):
        yield from row(f"it holds {number}", _weights(partial(spoilt, number)), "not finite", "encoder.layers.3.weight")
    yield from row("it does not say what made it", _metadata(foreign), "is not a model of this project")
    yield from row("its parameters are of another model", _metadata(other_latent_dim), "does not fit its own")
    yield from row("its parameters are wrong", _metadata(wrong_params), "is not a model of this project")


def _training() -> Iterator[Failure]:
    row = partial(Failure, "training", stage="train")
    infinite = _params({"learning_rate": 1e30})
    yield row("the loss becomes infinite", spoil=infinite, says=["not finite in epoch 1, step ", "learning_rate"])
    yield row("its parameters are wrong", spoil=_params({"epochs": 0}), says=["epochs is 0"])
    around = Circumstances({"MNIST_VAE_CHECKPOINT_SECONDS": "often"})
    says = ["MNIST_VAE_CHECKPOINT_SECONDS is 'often', but must be a number of seconds"]
    yield row("seconds between checkpoints are no number", spoil=_nothing, says=says, around=around)
    yield row("checkpoints is a file", spoil=_file(Path("checkpoints")), says=["checkpoints"])
    for kind in ("cuda", "mps"):
        for stage in ("download", "train"):
            says = [f"device is {kind}, but torch finds no such device here: set device to auto or cpu"]
            yield Failure("training", f"there is no {kind}", stage, _params({"device": kind}), says)


def _machine() -> Iterator[Failure]:
    outs = {"preprocess": PREPARED, "train": MODEL, "evaluate": LATENTS, "render": PICTURES}
    for stage, path in outs.items():
        row = partial(Failure, "the machine", stage=stage)
        says = ["cannot be written (File too large): fix that and start again"]
        yield row(f"{stage}: no room for its files", spoil=_nothing, says=says, around=Circumstances(file_bytes=500))
        yield row(f"{stage}: {path.name} is a folder", spoil=_folder(path), says=[str(path)])
        around = Circumstances(read_only=True)
        spoil, says = _remove(path), ["Read-only file system", "fix that"]
        yield row(f"{stage}: a read-only disk", spoil=spoil, says=says, around=around)
    huge = _params({"conv_channels": [65_536] * 3})
    yield Failure("the machine", "train: too little memory", "train", huge, ["too little memory: lower batch_size or"])
    says = [".dvc/tmp", "cannot be used (Read-only file system): fix that and start again"]
    around = Circumstances(read_only=True)
    yield Failure("the machine", "download: a read-only disk", "download", _remove(TRAIN_IMAGES), says, around)
    for stage in STAGES:
        row = partial(Failure, "the machine", stage=stage)
        outside = ["is not inside a DVC repository: run the stages with `dvc repro`"]
        yield row(f"{stage}: outside a DVC repository", spoil=_remove(Path(".dvc")), says=outside)
        yield row(f"{stage}: with arguments", spoil=_nothing, says=["takes no arguments"], arguments=["model"])
        elsewhere = partial(row, f"{stage}: code from elsewhere", around=Circumstances(code="../elsewhere"))
        says = ["would run the code in ", "start it by `dvc repro`"]
        yield elsewhere(spoil=_move(Path("src"), Path("../elsewhere")), says=says)


def _load_params() -> None:
    load_params(Path("params.yaml"))


def _prepare() -> None:
    dataset = DATASETS["mnist"]._replace(train_size=TRAIN_SIZE, test_size=TEST_SIZE)
    prepare(dataset, RAW, image_size=16, validation_size=98, seed=0)


def _nothing(_: Path) -> None:
    pass


def _params(changes: dict, without: str = "") -> Spoil:
    content = {key: value for key, value in (BASE | changes).items() if key != without}
    # Not at once: there are hundreds of rows.
    return lambda folder: (folder / "params.yaml").write_text(yaml.safe_dump(content))


def _write(path: Path, content: bytes) -> Spoil:
    return lambda folder: (folder / path).write_bytes(content)


def _change(path: Path, change: Callable[[bytes], bytes]) -> Spoil:
    return lambda folder: (folder / path).write_bytes(change((folder / path).read_bytes()))


def _unpacked(path: Path, change: Callable[[bytes], bytes]) -> Spoil:
    return _change(path, lambda content: gzip.compress(change(gzip.decompress(content)), compresslevel=1))


def _half(content: bytes) -> bytes:
    return content[: len(content) // 2]


def _remove(path: Path) -> Spoil:
    return lambda folder: shutil.rmtree(folder / path) if (folder / path).is_dir() else (folder / path).unlink()


def _folder(path: Path) -> Spoil:
    def replace(folder: Path) -> None:
        _remove(path)(folder)
        (folder / path).mkdir()

    return replace


def _file(path: Path) -> Spoil:
    def replace(folder: Path) -> None:
        _remove(path)(folder)
        (folder / path).write_bytes(b"")

    return replace


def _move(path: Path, target: Path) -> Spoil:
    return lambda folder: (folder / path).rename(folder / target)


def _swap(first: Path, second: Path, folder: Path) -> None:
    contents = (folder / first).read_bytes(), (folder / second).read_bytes()
    (folder / second).write_bytes(contents[0])
    (folder / first).write_bytes(contents[1])


def _weights(change: Callable[[dict[str, torch.Tensor]], None]) -> Spoil:
    def rewrite(folder: Path) -> None:
        weights, metadata = load_file(folder / MODEL), _read_metadata(folder)
        change(weights)
        save_file(weights, folder / MODEL, {"mnist_vae": json.dumps(metadata)})

    return rewrite


def _metadata(change: Callable[[dict], None]) -> Spoil:
    def rewrite(folder: Path) -> None:
        weights, metadata = load_file(folder / MODEL), _read_metadata(folder)
        change(metadata)
        save_file(weights, folder / MODEL, {"mnist_vae": json.dumps(metadata)})

    return rewrite


def _read_metadata(folder: Path) -> dict:
    with safe_open(folder / MODEL, "pt") as file:
        return json.loads(file.metadata()["mnist_vae"])
