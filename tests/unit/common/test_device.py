import os
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import torch

from builders import tiny_images, tiny_model
from mnist_vae.common import device
from mnist_vae.common.device import autocast, bound_threads, is_emulated, prepare_device, tensor_cores
from mnist_vae.console.stage import UserError


@pytest.fixture(autouse=True)
def _torch_as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    memory = torch.utils.deterministic.fill_uninitialized_memory  # pyright: ignore[reportAttributeAccessIssue]
    benchmark = torch.backends.cudnn.benchmark
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "")  # so that it is taken away again in the end
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG")
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(deterministic)
    torch.backends.cudnn.benchmark = benchmark
    torch.utils.deterministic.fill_uninitialized_memory = memory  # pyright: ignore[reportAttributeAccessIssue]


def _pretend(monkeypatch: pytest.MonkeyPatch, *, cuda: bool, mps: bool) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


@pytest.mark.skipif(torch.cuda.is_available() or torch.backends.mps.is_available(), reason="there is a GPU")
def test_auto_is_the_cpu_if_there_is_no_gpu() -> None:
    assert prepare_device("auto", threads=1, deterministic=True) == torch.device("cpu")


@pytest.mark.parametrize(
    ("available", "kind"), [({"cuda", "mps"}, "cuda"), ({"cuda"}, "cuda"), ({"mps"}, "mps"), (set(), "cpu")]
)
def test_auto_takes_the_first_of_cuda_mps_and_cpu(
    monkeypatch: pytest.MonkeyPatch, available: set[str], kind: str
) -> None:
    _pretend(monkeypatch, cuda="cuda" in available, mps="mps" in available)
    assert prepare_device("auto", threads=1, deterministic=True).type == kind


def test_named_cpu_is_used_even_if_there_is_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    _pretend(monkeypatch, cuda=True, mps=True)
    assert prepare_device("cpu", threads=1, deterministic=True) == torch.device("cpu")


@pytest.mark.parametrize("name", ["cuda", "mps"])
def test_device_that_is_not_there_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    _pretend(monkeypatch, cuda=False, mps=False)
    with pytest.raises(UserError, match=rf"^device is {name}, .*auto or cpu$"):
        prepare_device(name, threads=1, deterministic=True)


def test_torch_is_made_repeatable_with_the_asked_threads() -> None:
    prepare_device("cpu", threads=2, deterministic=True)
    assert torch.get_num_threads() == 2
    assert torch.are_deterministic_algorithms_enabled()
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
    assert not torch.backends.cudnn.benchmark


def test_without_determinism_torch_may_choose_the_fastest() -> None:
    prepare_device("cpu", threads=2, deterministic=False)
    assert torch.get_num_threads() == 2
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.backends.cudnn.benchmark
    assert "CUBLAS_WORKSPACE_CONFIG" not in os.environ


def test_workspace_set_by_the_person_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    prepare_device("cpu", threads=1, deterministic=True)
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":16:8"


def test_images_on_the_cpu_are_not_copied() -> None:
    images = tiny_images(5).numpy()
    images.flags.writeable = False
    placed = device.place(images, torch.device("cpu"))
    assert placed.data_ptr() == images.ctypes.data
    assert torch.equal(placed, tiny_images(5))


def test_images_go_to_the_device() -> None:
    assert device.place(tiny_images(5).numpy(), torch.device("meta")).device.type == "meta"


CPU = torch.device("cpu")


@pytest.mark.parametrize("reconstruction", ["squared_error", "bernoulli"])
def test_only_layers_compute_in_bfloat16_and_only_in_training(reconstruction: str) -> None:
    model, seen = tiny_model(reconstruction=reconstruction).train(), {}
    model.autocast = autocast("bfloat16", CPU)
    reconstruction_error = model.likelihood.reconstruction_error

    def watched(images: torch.Tensor, output: torch.Tensor) -> torch.Tensor:
        seen.update(loss=torch.is_autocast_enabled("cpu"), output=output.dtype)
        return reconstruction_error(images, output)

    model.likelihood = SimpleNamespace(scale=model.likelihood.scale, reconstruction_error=watched)  # pyright: ignore[reportAttributeAccessIssue]
    model.encoder.register_forward_hook(lambda *hooked: seen.update(encoded=hooked[2].dtype))
    model.decoder.register_forward_hook(lambda *hooked: seen.update(decoded=hooked[2].dtype))
    terms = model.terms(tiny_images(4), torch.zeros(4, 3))
    assert seen == {"encoded": torch.bfloat16, "decoded": torch.bfloat16, "loss": False, "output": torch.float32}
    assert {term.dtype for term in terms} == {torch.float32}
    model.eval().terms(tiny_images(4), torch.zeros(4, 3))
    assert seen["encoded"] == seen["decoded"] == torch.float32


@pytest.mark.parametrize(("name", "within"), [("float32", "ieee"), ("tf32", "tf32"), ("bfloat16", "ieee")])
def test_tf32_is_used_on_a_gpu_only_within_training_steps(name: str, within: str) -> None:
    def mantissas() -> set:
        return {torch.backends.cuda.matmul.fp32_precision, torch.backends.cudnn.conv.fp32_precision}  # pyright: ignore[reportAttributeAccessIssue]

    with tensor_cores(name, torch.device("cuda")):
        assert mantissas() == {within}
    assert mantissas() == {"ieee"}


@pytest.mark.parametrize("has_it", [True, False])
def test_bfloat16_is_emulated_by_a_processor_without_it_and_float32_by_none(
    has_it: bool,  # noqa: FBT001
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: has_it)
    assert is_emulated("bfloat16", CPU) is not has_it
    assert not is_emulated("float32", CPU)
    assert not is_emulated("bfloat16", torch.device("cuda"))


@pytest.mark.parametrize(("cpus", "threads"), [({0}, [7]), ({0, 1}, [7]), ({0, 1, 2, 3}, [7, 8]), ({0, 1}, [])])
def test_threads_are_bound_only_if_each_cpu_has_one(
    monkeypatch: pytest.MonkeyPatch, cpus: set[int], threads: list[int]
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: cpus, raising=False)
    monkeypatch.setattr(os, "sched_setaffinity", lambda *_: pytest.fail("a thread was bound"), raising=False)
    with bound_threads(threads):
        pass


def test_threads_of_two_processes_begin_with_different_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    bound: list[tuple[int, list[int]]] = []
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {2, 3}, raising=False)
    monkeypatch.setattr(
        os, "sched_setaffinity", lambda thread, cpus: bound.append((thread, sorted(cpus))), raising=False
    )
    for process in (100, 101):
        monkeypatch.setattr(os, "getpid", lambda process=process: process)
        with bound_threads([7, 8]):
            pass
    free = [(7, [2, 3]), (8, [2, 3])]
    assert bound == [(7, [2]), (8, [3]), *free, (7, [3]), (8, [2]), *free]


def test_machine_that_forbids_binding_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    monkeypatch.setattr(os, "sched_setaffinity", refuse, raising=False)
    with bound_threads([7, 8]):
        pass
