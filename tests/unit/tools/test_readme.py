"""The generated blocks of README and docs, against the files that they are made from."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

import readme
from mnist_vae.common.atomic import file_md5
from mnist_vae.common.params import Params, load_params
from mnist_vae.common.yaml12 import parse_yaml
from mnist_vae.console.stage import UserError
from places import REPOSITORY
from presets import load_presets

TEXTS = {page: (REPOSITORY / page).read_text() for page in readme.PAGES}
BLOCKS = [(page, name) for page, blocks in readme.PAGES.items() for name in blocks]


@pytest.mark.parametrize("page", readme.PAGES)
def test_blocks_are_those_of_the_committed_files(page: str) -> None:
    assert readme.filled_in(TEXTS[page], page, REPOSITORY) == TEXTS[page]


@pytest.mark.parametrize(("page", "name"), BLOCKS)
def test_stale_block_is_noticed(page: str, name: str) -> None:
    line = readme.PAGES[page][name](REPOSITORY).splitlines()[-1]
    assert TEXTS[page].count(line) == 1
    assert readme.filled_in(TEXTS[page].replace(line, "| stale | 0 |"), page, REPOSITORY) == TEXTS[page]


@pytest.mark.parametrize(("page", "name"), BLOCKS)
def test_page_without_a_block_is_refused_by_name(page: str, name: str) -> None:
    with pytest.raises(UserError, match=f"{page} has no block {name}"):
        readme.filled_in(TEXTS[page].replace(f"<!-- end of {name} -->", ""), page, REPOSITORY)


def test_results_shown_are_of_the_default_parameters() -> None:
    content: Any = parse_yaml((REPOSITORY / "dvc.lock").read_bytes(), "dvc.lock")  # DVC writes 1e-08, a number in 1.2
    lock = content["stages"]
    committed = Params.model_validate(lock["download"]["params"]["params.yaml"])
    assert committed == load_params(REPOSITORY / "params.yaml")
    for stage in ("preprocess", "train", "render"):
        for name, value in lock[stage]["params"]["params.yaml"].items():
            assert value == lock["download"]["params"]["params.yaml"][name]


def test_results_have_a_row_for_each_headline_number_and_the_variance() -> None:
    heading_and_rule, metrics = 2, json.loads((REPOSITORY / "reports" / "metrics.json").read_text())
    rows = 6 + ("nll_nats" in metrics)
    assert len(readme.results_table(REPOSITORY).splitlines()) == heading_and_rule + rows


def test_comparison_shown_is_of_the_presets_and_says_its_commit() -> None:
    comparison = json.loads((REPOSITORY / "reports" / "comparison" / "comparison.json").read_text())
    compared = {name: system["params"] for name, system in comparison["systems"].items()}
    assert list(compared.items()) == [
        (preset.name, preset.params.model_dump(mode="json"))
        for preset in load_presets(REPOSITORY)
        if preset.params.binarisation == "none" or preset.name in compared
    ]
    assert re.fullmatch("[0-9a-f]{40}", comparison["commit"])


def test_every_parameter_has_its_row() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", readme.parameters_table(REPOSITORY), flags=re.MULTILINE)
    assert sorted(rows) == sorted(Params.model_fields)


def test_duration_and_download_are_those_of_the_benchmark_and_of_the_set_up() -> None:
    told = " ".join(readme.duration(REPOSITORY).split())
    measured = json.loads((REPOSITORY / "benchmarks" / "pipeline.json").read_text())
    assert f"about {measured['seconds of dvc repro in a fresh clone'] / 60:.0f} minutes" in told
    (size,) = re.findall(r"about (\d+ GB) on Linux", (REPOSITORY / "tools" / "setup.sh").read_text())
    assert f"about {size} on Linux" in told


def test_page_in_docs_is_that_of_the_committed_run_and_small() -> None:
    outs = yaml.safe_load((REPOSITORY / "dvc.lock").read_text())["stages"]["render"]["outs"]
    page = REPOSITORY / readme.REPORT_COPY
    assert {"reports/report.html": file_md5(page)}.items() <= {out["path"]: out["md5"] for out in outs}.items()
    assert page.stat().st_size < 1.5e6


def test_page_that_is_not_that_of_the_lock_is_not_published(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page, copy = tmp_path / "reports" / "report.html", tmp_path / readme.REPORT_COPY
    page.parent.mkdir()
    page.write_bytes(b"page")
    outs = [{"path": "reports/report.html", "md5": "84dd4f98f2d6e1b8fb3bbb2ef3c8aa4c"}]
    (tmp_path / "dvc.lock").write_text(yaml.safe_dump({"stages": {"render": {"outs": outs}}}))
    readme.publish_page(tmp_path)
    assert not copy.exists()
    assert "docs/run.html stays" in capsys.readouterr().out
    outs[0]["md5"] = hashlib.md5(b"page").hexdigest()
    (tmp_path / "dvc.lock").write_text(yaml.safe_dump({"stages": {"render": {"outs": outs}}}))
    readme.publish_page(tmp_path)
    assert copy.read_bytes() == b"page"


def test_committed_run_is_at_least_as_good_as_the_tutorial() -> None:
    metrics = json.loads((REPOSITORY / "reports" / "metrics.json").read_text())
    assert metrics["mse_minus1_to_1"] <= 0.0175
    assert metrics["kl_nats"] <= 37
