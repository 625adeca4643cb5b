"""dvc.yaml against the code: the folders that each stage imports, its parameters, its paths; arrows between folders."""

import ast
from pathlib import Path

import pytest
import yaml

from mnist_vae.common import paths
from mnist_vae.common.params import CustomParams, DataParams, EvaluationParams, FigureParams, ModelParams, Params
from mnist_vae.training.fingerprint import FOLDERS
from places import REPOSITORY

PACKAGE = REPOSITORY / "src" / "mnist_vae"
STAGES = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())["stages"]
# What decides no byte, so that no stage depends on it.
ASIDE = {"console", "tracking"}
# From the ground up: a folder imports from folders before it only. `tracking` stands beside them.
FLOORS = ["console", "common", "data", "model", "sources", "figures", "page", "training", "evaluation"]
STAGE_PARAMS = {
    "preprocess": [*DataParams.model_fields, *CustomParams.model_fields],
    "train": [*ModelParams.model_fields],
    "evaluate": [*EvaluationParams.model_fields],
    "render": [*FigureParams.model_fields],
}


def imported_modules(source: Path) -> set[Path]:
    """The package's files that a file names in its imports, wherever in the file they stand."""
    names = set()
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{source} imports relatively"
            names |= {str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)}
    stems = [PACKAGE.joinpath(*name.split(".")[1:]) for name in names if name.startswith("mnist_vae.")]
    return {file for stem in stems for file in (stem.with_suffix(".py"), stem / "__init__.py") if file.is_file()}


def folder_of(file: Path) -> str:
    return file.relative_to(PACKAGE).parts[0]


def imported_folders(source: Path) -> set[str]:
    return {folder_of(file) for file in imported_modules(source)}


def folders_loaded(script: Path) -> set[str]:
    """The folders of all files that a script imports, directly or not, but for those aside."""
    seen: set[Path] = set()
    waiting = imported_modules(script)
    while waiting:
        file = waiting.pop()
        if folder_of(file) not in ASIDE:
            seen.add(file)
            waiting |= imported_modules(file) - seen
    return {folder_of(file) for file in seen}


def listed_paths(stage: str, kind: str) -> set[str]:
    return {path if isinstance(path, str) else next(iter(path)) for path in STAGES[stage].get(kind, [])}


@pytest.mark.parametrize("stage", STAGES)
def test_folders_of_code_among_the_deps_are_those_that_the_stage_imports(stage: str) -> None:
    listed = {dep.removeprefix("src/mnist_vae/") for dep in STAGES[stage]["deps"] if dep.startswith("src/")}
    assert listed == folders_loaded(REPOSITORY / "stages" / f"{stage}.py")
    assert f"stages/{stage}.py" in STAGES[stage]["deps"]
    assert len(STAGES[stage]["deps"]) == len(set(STAGES[stage]["deps"]))


def test_figures_are_drawn_by_render_alone() -> None:
    assert [stage for stage in STAGES if "src/mnist_vae/figures" in STAGES[stage]["deps"]] == ["render"]


def test_fingerprint_takes_in_the_folders_of_the_train_stage() -> None:
    assert {f"src/mnist_vae/{folder}" for folder in FOLDERS} == {
        dep for dep in STAGES["train"]["deps"] if dep.startswith("src/")
    }


def test_nothing_below_stages_and_tools_imports_tracking() -> None:
    files = [file for folder in FLOORS for file in (PACKAGE / folder).rglob("*.py")]
    assert [file for file in files if "tracking" in imported_folders(file)] == []


@pytest.mark.parametrize("folder", FLOORS)
def test_folder_imports_only_from_lower_levels(folder: str) -> None:
    below = set(FLOORS[: FLOORS.index(folder) + 1])
    for file in (PACKAGE / folder).rglob("*.py"):
        assert imported_folders(file) <= below, file


def test_every_folder_has_a_level_in_the_import_order() -> None:
    assert {path.parent.name for path in PACKAGE.glob("*/__init__.py")} == {*FLOORS, "tracking"}


def test_paths_are_those_of_the_code() -> None:
    known = {str(value) for name, value in vars(paths).items() if name.isupper()}
    listed = set().union(
        *(listed_paths(stage, kind) for stage in STAGES for kind in ("deps", "outs", "plots", "metrics"))
    )
    files = {path for path in listed if not path.startswith(("src/", "stages/"))}
    assert files == known - {"params.yaml"} | {str(path("${dataset}")) for path in (paths.raw, paths.watched)}


@pytest.mark.parametrize("stage", STAGE_PARAMS)
def test_params_of_a_stage_are_those_of_its_group(stage: str) -> None:
    assert STAGES[stage]["params"] == STAGE_PARAMS[stage]


def test_first_stage_reads_all_parameters() -> None:
    assert STAGES["download"]["params"] == [{"params.yaml": None}]


def test_groups_of_parameters_are_all_of_them() -> None:
    groups = [ModelParams, CustomParams, EvaluationParams, FigureParams]
    assert set(Params.model_fields) == {"custom_data"}.union(*(group.model_fields for group in groups))


def test_there_are_the_five_stages_each_with_a_description() -> None:
    assert list(STAGES) == ["download", "preprocess", "train", "evaluate", "render"]
    assert all(stage["desc"] for stage in STAGES.values())
