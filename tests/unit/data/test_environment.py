import json
from pathlib import Path

import pytest
import torch

from mnist_vae.console.stage import UserError
from mnist_vae.data.environment import find_environment, load_environment, save_environment

CPU = torch.device("cpu")


@pytest.mark.parametrize(("threads", "named"), [(1, "1 thread"), (2, "2 threads")])
def test_environment_of_the_cpu_is_what_torch_says(monkeypatch: pytest.MonkeyPatch, threads: int, named: str) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    device, count, instructions, build = find_environment(CPU).split(", ")
    assert (device, count, build) == ("cpu", named, f"torch {torch.__version__}")
    assert f"CPU capability usage: {instructions}" in torch.__config__.show()


def test_environment_of_a_gpu_has_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "NVIDIA H100")
    assert find_environment(torch.device("cuda")) == f"cuda (NVIDIA H100), torch {torch.__version__}"


def test_file_holds_one_text(tmp_path: Path) -> None:
    path = tmp_path / "reports" / "environment.json"
    save_environment("cpu, 2 threads, AVX2, torch 2.13.0", path)
    assert json.loads(path.read_text()) == {"environment": "cpu, 2 threads, AVX2, torch 2.13.0"}
    assert load_environment(path) == "cpu, 2 threads, AVX2, torch 2.13.0"


@pytest.mark.parametrize("content", ["", "[]", "{}", "no JSON", '{"environment": 5}'])
def test_foreign_file_is_refused_by_name(tmp_path: Path, content: str) -> None:
    path = tmp_path / "environment.json"
    path.write_text(content)
    with pytest.raises(UserError, match=r"environment\.json is not a record of an environment .*dvc repro"):
        load_environment(path)
