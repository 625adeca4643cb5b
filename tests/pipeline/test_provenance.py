"""What a run says of its origin, whatever the user's Git settings."""

import subprocess
from pathlib import Path

import pytest

from mnist_vae.tracking.provenance import find_provenance, uncommitted_diff

COMMITTED = {"params.yaml": b"kl_weight: 0.1\n", "picture.png": bytes(range(256)), "name with ä.txt": b"caf\xe9\n"}


def _git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Tester", "-c", "user.email=tester@example.org"]
    return subprocess.run(["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A repository with a commit."""
    folder = tmp_path / "copy"
    folder.mkdir()
    for name, content in COMMITTED.items():
        (folder / name).write_bytes(content)
    (folder / ".gitignore").write_text("/ignored\n")
    _git(folder, "init", "--quiet")
    _git(folder, "add", "--all")
    _git(folder, "commit", "--quiet", "--message", "first")
    return folder


def _files(folder: Path) -> dict[str, bytes]:
    paths = [path for path in folder.rglob("*") if path.is_file() and ".git" not in path.parts]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def test_clean_tree_has_its_commit_and_no_diff(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_EXP_NAME", "mine")
    found = find_provenance(copy)
    assert (found.git_commit, found.git_dirty) == (_git(copy, "rev-parse", "HEAD").strip(), "false")
    assert found.tags()["dvc_apply"] == "dvc exp apply mine"
    assert uncommitted_diff(copy) == (b"", [])


def test_what_the_pipeline_writes_makes_no_tree_dirty(copy: Path) -> None:
    (copy / "reports").mkdir()
    (copy / "reports" / "metrics.json").write_text("{}")
    (copy / "dvc.lock").write_text("stages: {}")
    assert find_provenance(copy).git_dirty == "false"
    assert uncommitted_diff(copy) == (b"", [])


def test_outside_a_repository_nothing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert find_provenance(tmp_path).git_commit == "unknown"
    assert uncommitted_diff(tmp_path) == (None, [])


@pytest.mark.parametrize("git", [None, "#!/bin/sh\nexit 128\n", "no program"])
def test_git_that_is_not_there_or_fails_is_not_taken_for_nothing_changed(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, git: str | None
) -> None:
    (tmp_path / "bin").mkdir()
    if git:
        (tmp_path / "bin" / "git").write_text(git)
        (tmp_path / "bin" / "git").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert (find_provenance(copy).git_commit, find_provenance(copy).git_dirty) == ("unknown", "unknown")
    assert uncommitted_diff(copy) == (None, [])


SETTINGS = [
    ("color.ui", "always"),
    ("diff.noprefix", "true"),
    ("diff.mnemonicPrefix", "true"),
    ("core.quotePath", "false"),
]
SETTINGS += [("diff.external", "false"), ("core.autocrlf", "false"), ("diff.context", "0"), ("diff.relative", "true")]
SETTINGS += [("diff.orderFile", "nowhere"), ("diff.renames", "copies"), ("diff.submodule", "log")]


@pytest.mark.parametrize("setting", [None, *SETTINGS], ids=str)
def test_diff_applied_to_the_commit_gives_the_working_copy(
    copy: Path, tmp_path: Path, setting: tuple[str, str] | None
) -> None:
    if setting:
        _git(copy, "config", *setting)
    (copy / "params.yaml").write_bytes(b"kl_weight: 0.5\n")
    (copy / "picture.png").write_bytes(bytes(reversed(range(256))))
    (copy / "name with ä.txt").unlink()
    (copy / "new").mkdir()
    (copy / "new" / "module.py").write_bytes(b"x = 1  # caf\xe9\n")
    (copy / "new" / "empty").touch()
    for name in (":odd", "*.py", "-n", "line\nend"):
        (copy / name).write_text("odd")
    (copy / "ignored").write_bytes(b"not in it")
    (copy / "large").write_bytes(bytes(2_000_000))
    (copy / "new" / ".env").write_text("MLFLOW_TRACKING_PASSWORD=hunter7")
    index = (copy / ".git" / "index").read_bytes()
    assert find_provenance(copy).git_dirty == "true"
    diff, left_out = uncommitted_diff(copy)
    assert diff is not None
    assert left_out == ["large"]
    assert (copy / ".git" / "index").read_bytes() == index  # the user's index is as it was
    other = tmp_path / "other"
    _git(tmp_path, "clone", "--quiet", str(copy), str(other))
    (tmp_path / "it.diff").write_bytes(diff)
    _git(other, "apply", str(tmp_path / "it.diff"))
    expected = _files(copy)
    del expected["ignored"], expected["large"], expected["new/.env"]
    assert _files(other) == expected
