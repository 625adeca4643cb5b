"""What the README claims, against the files, the commands and the parameters."""

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

import readme
from mnist_vae.common.atomic import file_md5
from mnist_vae.common.params import Params, load_params
from presets import load_presets

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text()


def test_tables_are_those_of_the_committed_files() -> None:
    assert readme.filled_in(TEXT, ROOT) == TEXT


@pytest.mark.parametrize("name", readme.TABLES)
def test_stale_table_is_noticed(name: str) -> None:
    line = readme.TABLES[name](ROOT).splitlines()[-1]
    assert TEXT.count(line) == 1
    assert readme.filled_in(TEXT.replace(line, "| stale | 0 |"), ROOT) == TEXT


def test_results_shown_are_of_the_default_parameters() -> None:
    lock = yaml.safe_load((ROOT / "dvc.lock").read_text())["stages"]
    committed = Params.model_validate(lock["download"]["params"]["params.yaml"])
    assert committed == load_params(ROOT / "params.yaml")
    for stage in ("preprocess", "train", "render"):
        for name, value in lock[stage]["params"]["params.yaml"].items():
            assert value == lock["download"]["params"]["params.yaml"][name]


def test_comparison_shown_is_of_the_presets_and_says_its_commit() -> None:
    comparison = json.loads((ROOT / "reports" / "comparison" / "comparison.json").read_text())
    assert list(comparison["systems"]) == [preset.name for preset in load_presets(ROOT)]
    assert re.fullmatch("[0-9a-f]{40}", comparison["commit"])


def test_every_parameter_has_its_row() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", readme.parameters_table(ROOT), flags=re.MULTILINE)
    assert sorted(rows) == sorted(Params.model_fields)


def test_every_command_it_names_exists() -> None:
    targets = set(re.findall(r"(?:^|`|PATH=\S+ |mnist )make ([a-z]+)", TEXT, flags=re.MULTILINE))
    listed = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {"repro", "test", "demo", "lint", "bench", "readme"} <= targets
    assert targets <= set(re.findall(r"^make (\w+)", listed, flags=re.MULTILINE))
    scripts = set(re.findall(r"python (tools/\w+\.py)", TEXT))
    assert {"tools/presets.py", "tools/compare.py", "tools/search.py"} <= scripts
    assert [script for script in scripts if not (ROOT / script).is_file()] == []


def test_every_file_it_shows_or_links_to_exists() -> None:
    linked = [target for target in re.findall(r"\]\(([^)]+)\)", TEXT) if "://" not in target]
    assert len(linked) >= 4
    assert [target for target in linked if not (ROOT / target).exists()] == []


def test_every_test_it_names_exists() -> None:
    named = set(re.findall(r"`(test_\w+\.py)`", TEXT))
    assert len(named) > 5
    assert named <= {path.name for path in (ROOT / "tests").rglob("*.py")}


def test_folders_it_lists_are_all_there_are() -> None:
    tree = TEXT.split("src/mnist_vae/\n")[1].split("```")[0]
    listed = re.findall(r"^  (\w+)/", tree, flags=re.MULTILINE)
    package = ROOT / "src" / "mnist_vae"
    assert sorted(listed) == sorted(path.parent.name for path in package.glob("*/__init__.py"))


def test_page_in_docs_is_that_of_the_committed_run_and_small() -> None:
    outs = yaml.safe_load((ROOT / "dvc.lock").read_text())["stages"]["render"]["outs"]
    page = ROOT / readme.PAGE
    assert {"reports/report.html": file_md5(page)}.items() <= {out["path"]: out["md5"] for out in outs}.items()
    assert page.stat().st_size < 1.5e6


def test_committed_run_reaches_the_recipes_own_result() -> None:
    metrics = json.loads((ROOT / "reports" / "metrics.json").read_text())
    assert metrics["mse_minus1_to_1"] <= 0.0175
    assert metrics["kl_nats"] <= 37
