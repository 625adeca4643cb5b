"""Break one line of the code at a time, and see which layer of the tests notices it. --help shows the options."""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue
from typing import NamedTuple

from places import REPOSITORY

PACKAGE = Path("src/mnist_vae")
_LIST = "tests/unit/tools/test_mutate.py"  # left out, because it would notice each mutation by its text
LAYERS = {"unit": ["tests/unit"], "pipeline": ["tests/pipeline", "--numprocesses", "3", "--dist", "loadfile"]}


class Mutation(NamedTuple):
    """A text that occurs once in a file of the package, and its replacement."""

    file: str
    old: str
    new: str


MUTATIONS = [
    Mutation("common/atomic.py", "            os.fsync(file.fileno())\n", ""),
    Mutation("common/atomic.py", "        unfinished.replace(path)\n", "        path.write_bytes(content)\n"),
    Mutation("common/atomic.py", "            unfinished.unlink()\n", "            pass\n"),
    Mutation("common/seeds.py", "{seed}/{purpose}/{epoch}", "{seed}/{purpose}"),
    Mutation("common/seeds.py", "{seed}/{purpose}/{epoch}", "{purpose}/{epoch}"),
    Mutation("common/yaml12.py", "appears twice", "is there"),
    Mutation("common/device.py", "len(cpus) == 1 or len(cpus) != len(threads)", "len(cpus) == 1"),
    Mutation("common/device.py", "{cpus[number % len(cpus)]}", "{cpus[0]}"),
    Mutation("console/early.py", "    gc.enable()\n", ""),
    Mutation("console/stage.py", "former = signal.signal(signal.SIGTERM, signal.SIG_IGN)", "former = signal.SIG_DFL"),
    Mutation("console/stage.py", '_exit(f"{name}: {error}", 1)', '_exit(f"{name}: {error}", 0)'),
    Mutation("console/stage.py", "code = 128 + signal.SIGPIPE", "code = 1"),
    Mutation("console/progress.py", "row.train_kl_nats_per_image)", "row.train_loss)"),
    Mutation("sources/idx.py", "or len(header) < 4 + 4 * dimensions", ""),
    Mutation(
        "sources/prepare.py", "rows.transpose(0, 2, 1), size).transpose(0, 2, 1)", "rows.transpose(0, 2, 1), size)"
    ),
    Mutation("sources/splits.py", "order[:validation_size]", "order[-validation_size:]"),
    Mutation("sources/grey.py", "if image.width * image.height > _MOST_PIXELS:", "if False:"),
    Mutation("sources/grey.py", "ImageOps.exif_transpose(image)", "image"),
    Mutation("sources/grey.py", "(levels + 128) // 257", "levels // 257"),
    Mutation("sources/grey.py", "        square = square.T\n", "        pass\n"),
    Mutation("sources/grey.py", "(above, side - height - above)", "(0, side - height)"),
    Mutation("sources/faults.py", "self._counts.get(kind, 0) + count", "count"),
    Mutation("sources/faults.py", "if count > len(named)", "if count >= len(named)"),
    Mutation("sources/listing.py", 'normalize("NFC", entry.name).casefold()', 'normalize("NFC", entry.name)'),
    Mutation("sources/listing.py", "return None if root in target.parents else", "return None if True else"),
    Mutation("sources/listing.py", "        yield path\n", "        yield entry.name\n"),
    Mutation("sources/layout.py", "return tuple(sorted(names, key=lambda name: (int(name), name)))", "pass"),
    Mutation(
        "sources/layout.py", 'is_test, file.path.rpartition("/")[2], file.path)', 'path.rpartition("/")[2], file.path)'
    ),
    Mutation("sources/manifest.py", "known[path][:-1] == mark", "known[path][0] == mark[0]"),
    Mutation("sources/manifest.py", "< now - _SETTLED_NANOSECONDS", "< now"),
    Mutation("sources/splits.py", "astype(int).clip(1, counts - 1)", "astype(int).clip(0, counts)"),
    Mutation("sources/splits.py", "return order[np.isin", "return np.sort(order)[np.isin"),
    Mutation(
        "sources/custom_plan.py", "if train_size is None and of_train < 2:", "if train_size is None and of_train < 1:"
    ),
    Mutation("sources/custom_plan.py", "if len(part) != size:", "if False:"),
    Mutation("sources/prepare_custom.py", "bytes_md5(file.content) != sums[file.path]", "False"),
    Mutation("sources/prepare_custom.py", "    if count != len(places):\n", "    if False:\n"),
    Mutation("sources/download.py", "== (file.md5 if path.name == file.name else file.content_md5)", "!= ''"),
    Mutation("sources/download.py", "                if received > _LARGEST_BYTES:\n", "                if False:\n"),
    Mutation("sources/download.py", "without_password(str(error))", "str(error)"),
    Mutation("data/history.py", "{value:.9g}", "{value:.6g}"),
    Mutation("data/latents.py", "(variance > ACTIVE_VARIANCE)", "(variance < ACTIVE_VARIANCE)"),
    Mutation("data/binarisation.py", "threshold < block", "threshold <= block"),
    Mutation("sources/larochelle.py", "len(bits) != pixels or ", ""),
    Mutation("model/posterior.py", "noise.square() - codes.square()", "codes.square() - noise.square()"),
    Mutation("model/posterior.py", "torch.exp(0.5 * self.log_variance)", "torch.exp(self.log_variance)"),
    Mutation(
        "model/posterior.py", "self.mean.square() - self.log_variance - 1", "self.mean.square() + self.log_variance - 1"
    ),
    Mutation("model/posterior.py", "torch.exp(-other.log_variance)", "torch.exp(other.log_variance)"),
    Mutation("model/likelihood.py", "return beta / 2 * self._unit", "return beta * self._unit"),
    Mutation("model/likelihood.py", "pixels / 2 * math.log(2", "pixels * math.log(2"),
    Mutation("model/likelihood.py", "return (output - images).square()", "return (output - images).abs()"),
    Mutation("model/loss.py", "> self.free_nats, kl, self.free_nats)", "> self.free_nats, kl, 0.0)"),
    Mutation(
        "model/loss.py", "Objective(1 / pixels, kl_weight / latent_dim", "Objective(1 / pixels, kl_weight / pixels"
    ),
    Mutation("model/loss.py", "kl_factor * self.kl_weight * charged", "self.kl_weight * charged"),
    Mutation("model/loss.py", " - math.log(log_weights.shape[1])", ""),
    Mutation("model/loss.py", "kl_factor * log_ratio", "log_ratio"),
    Mutation("model/loss.py", "1 - kl_factor + kl_factor * shares", "shares"),
    Mutation("common/params.py", " or self.sticking_the_landing\n", "\n"),
    Mutation("common/params.py", "int(value) if value == int(value) else value", "value"),
    Mutation("common/params.py", "if of_epochs[-1] < self.batch_size:", "if False:"),
    Mutation("common/params.py", "(of_epochs[-1], f", "(of_epochs[0], f"),
    Mutation("tracking/backfill.py", "params.epoch_count", "int(params.epochs)"),
    Mutation("training/loop.py", 'order of images", epoch))[:count]', 'order of images", epoch))'),
    Mutation("training/state.py", " or is_last:", ":"),
    Mutation("model/autoencoder.py", "code.sample_several(noise), code.detached()", "code.sample_several(noise), code"),
    Mutation("model/likelihood.py", "positive - factors.log()", "positive + factors.log()"),
    Mutation("training/schedule.py", "left = 1 - done / steps", "left = done / steps"),
    Mutation("training/schedule.py", "min((done + 1) / steps / _RISE", "min(done / steps / _RISE"),
    Mutation("training/schedule.py", "(epoch - 1) / warmup_epochs", "epoch / warmup_epochs"),
    Mutation("training/adam.py", "            weight.grad = None\n", "            pass\n"),
    Mutation("training/adam.py", "            tensor.copy_(state[name])\n", "            pass\n"),
    Mutation("training/adam.py", "            self.rate = rate\n", "            pass\n"),
    Mutation("training/loop.py", 'generator=_generator(params, "order of images", epoch)', ""),
    Mutation("training/loop.py", "number < resumed_at", "number <= resumed_at"),
    Mutation("training/loop.py", "        model.train()\n", ""),
    Mutation("training/loop.py", "sizes[-1] = images", "sizes[0] = images"),
    Mutation("training/step.py", "        self._optimizer.zero_grad()\n", ""),
    Mutation("training/step.py", "self._captured.kl_factor != kl_factor", "False"),
    Mutation("training/checkpoint.py", "            self._lock.acquire(timeout=0)\n", "            pass\n"),
    Mutation("training/checkpoint.py", ">= self._seconds", "<= self._seconds"),
    Mutation("training/fingerprint.py", '        "data": data_md5,\n', ""),
    Mutation("common/atomic.py", 'path.relative_to(package).as_posix().encode() + b"\\0" + ', ""),
    Mutation("training/distributed.py", "losses.sum() * (self.count / batch_size)", "losses.mean()"),
    Mutation("training/distributed.py", "distributed.all_reduce(sums)", "pass"),
    Mutation("training/loop.py", 'params.seed, "train", epoch)', 'params.seed, "train")'),
    Mutation("evaluation/likelihood.py", "total - np.log(done)", "total"),
    Mutation("evaluation/likelihood.py", 'image {first}", number)', 'image {first}")'),
    Mutation("evaluation/likelihood.py", "code.log_ratio(noise, codes) - nll", "-nll"),
    Mutation("evaluation/kept.py", ">= self._seconds", "<= self._seconds"),
    Mutation("evaluation/metrics.py", "4 * evaluation.squared_error", "2 * evaluation.squared_error"),
    Mutation("evaluation/metrics.py", "-nll - float(kl.mean())", "-nll + float(kl.mean())"),
    Mutation("evaluation/metrics.py", '"evaluation noise", number', '"evaluation noise"'),
    Mutation("figures/projection.py", "second[::-1, None, None]", "second[:, None, None]"),
    Mutation("figures/projection.py", "directions * np.sign(", "directions * np.abs("),
    Mutation(
        "figures/interpolation.py", "* ends[0] + torch.sin(share * angle)", "* ends[1] + torch.sin(share * angle)"
    ),
    Mutation("figures/interpolation.py", "(cosine < 0 and angle.sin()", "(cosine > 0 and angle.sin()"),
    Mutation("figures/grids.py", "forth[-2:0:-1]", "forth[::-1]"),
    Mutation("tracking/run.py", "            self._failed = True\n", ""),
    Mutation("page/packing.py", "bytes([0, rest]) if rest else b", "bytes([0, rest]) if not rest else b"),
    Mutation("page/packing.py", "clamp(-largest, largest)", "clamp(0, largest)"),
    Mutation("page/points.py", "_BOTTOM, _TOP, logarithmic=True)", "_TOP, _BOTTOM, logarithmic=True)"),
    Mutation("page/headline.py", "1 - numbers.mse_minus1_to_1 / mean_image", "numbers.mse_minus1_to_1 / mean_image"),
    Mutation("tracking/run.py", "        except Exception as error:", "        except ValueError as error:"),
    Mutation("tracking/backfill.py", 'run.info.status == "FINISHED"', 'run.info.status == "RUNNING"'),
    Mutation("tracking/backfill.py", '        client.delete_tag(run_id, "reason")\n', "        pass\n"),
    Mutation("tracking/orphans.py", "if not _is_taken(root, fingerprint, path):", "if True:"),
    Mutation("tracking/orphans.py", "without_password(", "str("),
    Mutation("tracking/provenance.py", "done.stdout if done.returncode == 0 else None", "done.stdout"),
    Mutation("tracking/store.py", '"MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0"', '"MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2"'),
    Mutation("tracking/store.py", "(root / str(url.database)).resolve()", "Path(str(url.database)).resolve()"),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layers", nargs="+", choices=LAYERS, default=list(LAYERS), help="the layers to run, in turn")
    parser.add_argument("--jobs", type=int, default=2, help="mutations at a time")
    parser.add_argument("--only", default="", help="those whose file or text has this in it")
    arguments = parser.parse_args()
    chosen = [one for one in MUTATIONS if arguments.only in f"{one.file} {one.old}"]
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(arguments.jobs) as pool:
        copies: Queue[Path] = Queue()
        for number in range(arguments.jobs):
            copies.put(_copy(Path(folder) / str(number)))
        for layer in arguments.layers:  # otherwise every mutation would seem to be noticed
            assert _passes(copies.queue[0], LAYERS[layer]), f"the {layer} layer fails without any mutation"
        layers = pool.map(lambda one: _try(one, copies, arguments.layers), chosen)
        for mutation, noticed in zip(chosen, layers, strict=True):
            print(f"| {mutation.file} | `{mutation.old.strip()}` → `{mutation.new.strip()}` | {noticed} |", flush=True)


def _copy(folder: Path) -> Path:
    names = subprocess.run(["git", "ls-files"], cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    for name in set(names.splitlines()) - {_LIST}:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(REPOSITORY / name, folder / name)
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)  # some tests ask Git for the files
    subprocess.run(["git", "add", "--all"], cwd=folder, check=True)
    return folder


def _try(mutation: Mutation, copies: "Queue[Path]", layers: Sequence[str]) -> str:
    """The layer that notices the mutation first, or "none"."""
    copy = copies.get()
    path = copy / PACKAGE / mutation.file
    original = path.read_text("utf-8")
    assert original.count(mutation.old) == 1, mutation
    path.write_text(original.replace(mutation.old, mutation.new), "utf-8")
    try:
        # The tests of the file's own folder run first: they notice most mutations within seconds.
        own = [f"tests/unit/{Path(mutation.file).parent}"]
        for layer in layers:
            for tests in [own, LAYERS[layer]] if layer == "unit" else [LAYERS[layer]]:
                if not _passes(copy, tests):
                    return layer
        return "none"
    finally:
        path.write_text(original, "utf-8")
        copies.put(copy)


def _passes(copy: Path, tests: Sequence[str]) -> bool:
    command = [sys.executable, "-m", "pytest", "--exitfirst", "--quiet", "-p", "no:cacheprovider", *tests]
    # With a change of the same length in the same second, Python would use the former text's bytecode.
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, cwd=copy, env=environment, capture_output=True, check=False).returncode == 0


if __name__ == "__main__":
    main()
