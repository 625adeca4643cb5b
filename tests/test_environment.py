import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mnist_vae.data import environment
from mnist_vae.data.environment import find_environment, save_environment

CPU = torch.device("cpu")


def test_environment_is_what_torch_and_the_machine_say() -> None:
    found = find_environment(CPU)
    assert found.device == f"cpu ({torch.get_num_threads()} threads)"
    assert found.torch == torch.__version__
    shown = torch.__config__.show()
    assert f"CPU capability usage: {found.vector_instructions}" in shown


@pytest.mark.skipif(sys.platform != "linux", reason="lscpu is Linux's")
def test_processor_is_the_one_that_lscpu_names() -> None:
    lines = subprocess.run(["lscpu"], capture_output=True, text=True, check=True).stdout.splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("Model name")]
    assert find_environment(CPU).processor in names


@pytest.mark.parametrize("content", ["", "processor : 0\nFeatures : fp asimd\n"])
def test_processor_without_a_name_is_called_by_its_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    (tmp_path / "cpuinfo").write_text(content)
    monkeypatch.setattr(environment, "_CPUINFO", tmp_path / "cpuinfo")
    assert find_environment(CPU).processor in {os.uname().machine, "x86_64"}


def test_other_instructions_are_another_environment() -> None:
    root = Path(str(environment.__file__)).parents[2]
    code = (
        "import torch; from mnist_vae.data import environment as e; print(e.find_environment(torch.device('cpu'))[2])"
    )
    variables = os.environ | {"PYTHONPATH": str(root), "ATEN_CPU_CAPABILITY": "default"}
    done = subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True, text=True, check=True)
    assert done.stdout.split() in (["DEFAULT"], ["NO", "AVX"])


def test_file_holds_each_part_by_its_name(tmp_path: Path) -> None:
    found = find_environment(CPU)
    save_environment(found, tmp_path / "reports" / "environment.json")
    assert json.loads((tmp_path / "reports" / "environment.json").read_text()) == found._asdict()
