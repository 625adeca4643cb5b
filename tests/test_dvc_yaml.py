"""dvc.yaml against the code: each stage's deps are what it imports and reads, its params those of its groups."""

import ast
import re
from pathlib import Path

import pytest
import yaml

from mnist_vae.common.params import DataParams, FigureParams, ModelParams, Params
from mnist_vae.model.networks import NETWORKS

ROOT = Path(__file__).parent.parent
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
STAGE_PARAMS = {
    "download": None,  # all of params.yaml
    "preprocess": DataParams,
    "train": ModelParams,
    "evaluate": None,  # none: they come from the model
    "render": FigureParams,
}


def imported_modules(source: Path) -> set[str]:
    """The dotted names that a file imports, or may: of `from a import b`, both a and a.b."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{source} imports relatively"
            names.update([str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)])
    return names


def project_files(name: str) -> list[Path]:
    """The files that importing a dotted name runs: each package's __init__.py on the way, and the module itself."""
    parts = name.split(".")
    stems = [ROOT.joinpath("src", *parts[:length]) for length in range(1, len(parts) + 1)]
    candidates = [file for stem in stems for file in (stem / "__init__.py", stem.with_suffix(".py"))]
    return [file for file in candidates if parts[0] == "mnist_vae" and file.is_file()]


def import_closure(script: Path) -> set[str]:
    """All files of the project that a script imports, directly or not, and itself, relative to the root."""
    seen: set[Path] = set()
    waiting = [script]
    while waiting:
        file = waiting.pop()
        if file not in seen:
            seen.add(file)
            waiting += [found for name in names_loaded_by(file) for found in project_files(name)]
    return {str(file.relative_to(ROOT)) for file in seen}


def names_loaded_by(source: Path) -> set[str]:
    """The names that a file imports, and every network where it loads one by its name."""
    names = imported_modules(source)
    if "mnist_vae.model.networks.load_network" in names:
        names |= {f"mnist_vae.model.networks.{network}" for network in NETWORKS}
    return names


@pytest.mark.parametrize("stage", STAGES)
def test_code_among_the_deps_is_what_the_stage_imports(stage: str) -> None:
    listed = [dep for dep in STAGES[stage]["deps"] if dep.endswith(".py")]
    assert len(listed) == len(set(listed))
    assert set(listed) == import_closure(ROOT / "stages" / f"{stage}.py")


@pytest.mark.parametrize("stage", STAGES)
def test_paths_on_the_command_line_are_the_deps_and_outs(stage: str) -> None:
    given = re.findall(r"(?:data|models|reports)/\S+", STAGES[stage]["cmd"])
    read = [dep for dep in STAGES[stage]["deps"] if not dep.endswith(".py")]
    kept = [path for kind in ("outs", "plots", "metrics") for path in STAGES[stage].get(kind, [])]
    written = [path if isinstance(path, str) else next(iter(path)) for path in kept]
    assert sorted(given) == sorted(read + written)


@pytest.mark.parametrize("stage", ["preprocess", "train", "render"])
def test_params_of_a_stage_are_those_of_its_group(stage: str) -> None:
    group = STAGE_PARAMS[stage]
    assert group is not None
    assert STAGES[stage]["params"] == list(group.model_fields)


def test_first_stage_reads_all_parameters_and_evaluation_none() -> None:
    assert STAGES["download"]["params"] == [{"params.yaml": None}]
    assert "params" not in STAGES["evaluate"]


def test_groups_of_parameters_are_all_of_them() -> None:
    assert set(Params.model_fields) == set(ModelParams.model_fields) | set(FigureParams.model_fields)


def test_there_are_the_five_stages_each_with_a_description() -> None:
    assert list(STAGES) == ["download", "preprocess", "train", "evaluate", "render"]
    assert all(stage["desc"] for stage in STAGES.values())
