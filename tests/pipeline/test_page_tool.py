"""The page of an experiment that was never applied, out of DVC's cache."""

from pathlib import Path

import pytest

from mnist_vae.console.stage import UserError
from page import copy_page
from working_copy import WorkingCopy


def test_page_of_an_experiment_and_of_a_commit_is_copied(with_experiment: WorkingCopy, tmp_path: Path) -> None:
    copy = with_experiment.copied_to(tmp_path / "clone")
    pages = {}
    for name in ("half", "HEAD"):
        assert copy.succeed("python", "tools/page.py", name, "--out", f"{name}.html") == f"page: {name}.html\n"
        pages[name] = (copy.folder / f"{name}.html").read_text()
    assert "<td>0.5</td>" in pages["half"]
    assert pages["half"] != pages["HEAD"]
    assert (copy.folder / "reports" / "report.html").read_text() in pages.values()


def test_message_says_why_there_is_no_page(with_experiment: WorkingCopy, tmp_path: Path) -> None:
    copy = with_experiment.copied_to(tmp_path / "clone")
    with pytest.raises(UserError, match="git rev-parse failed"):
        copy_page("nothing", tmp_path / "page.html", copy.folder)
    pipeline = copy.folder / "dvc.yaml"
    pipeline.write_text(pipeline.read_text().replace("      - reports/report.html\n", ""))
    copy.commit()
    with pytest.raises(UserError, match=r"HEAD has no reports/report\.html"):
        copy_page("HEAD", tmp_path / "page.html", copy.folder)
    (copy.folder / "reports" / "report.html").unlink()
    for file in (copy.folder / ".dvc" / "cache" / "files").rglob("*"):
        if file.is_file():
            file.unlink()
    with pytest.raises(UserError, match="the page of half is not in DVC's cache here"):
        copy_page("half", tmp_path / "page.html", copy.folder)
    assert not (tmp_path / "page.html").exists()
