"""The commands of README and docs, run on the bundled digits; and the changes that the README proposes, made."""

import json
import re
from pathlib import Path
from typing import NamedTuple

import pytest

from places import REPOSITORY
from working_copy import WorkingCopy

PAGES = ["README.md", *(f"docs/{page.name}" for page in sorted((REPOSITORY / "docs").glob("*.md")))]
# A block of commands without a mark such as needs-server; in a list it is indented.
BLOCK = re.compile(r"^( *)```sh\n(.*?)^ *```", flags=re.MULTILINE | re.DOTALL)


def _blocks(page: str) -> list[str]:
    return [block for _, block in BLOCK.findall((REPOSITORY / page).read_text())]


@pytest.fixture(scope="module")
def digits(reproduced: WorkingCopy, tmp_path_factory: pytest.TempPathFactory) -> WorkingCopy:
    """A working copy whose committed result is of the bundled digits."""
    copy = reproduced.copied_to(tmp_path_factory.mktemp("digits") / "clone")
    copy.introduce()
    for name, value in {
        "dataset": "digits",
        "validation_size": 200,
        "image_size": 32,
        "batch_size": 64,
        "epochs": 0.5,
    }.items():
        copy.set_param(name, value)
    copy.succeed("dvc", "repro")
    copy.commit()
    # Several pages run this experiment. DVC has its result then, and does not train it again in each copy.
    copy.succeed("dvc", "exp", "run", "--temp", "--name", "kept", "-S", "kl_weight=0.5")
    copy.succeed("dvc", "exp", "remove", "kept")
    return copy


@pytest.mark.parametrize("page", [page for page in PAGES if _blocks(page)])
def test_commands_of_a_page_work_in_their_order(page: str, digits: WorkingCopy, tmp_path: Path) -> None:
    copy = digits.copied_to(tmp_path / "clone")
    for block in _blocks(page):
        copy.succeed("sh", "-e", "-c", block)


def test_most_pages_have_commands_that_are_run() -> None:
    assert len([page for page in PAGES if _blocks(page)]) >= 8


PACKAGE = "src/mnist_vae"
NETWORKS = f"{PACKAGE}/model/networks/__init__.py"
PARAMS = f"{PACKAGE}/common/params.py"
METRICS = f"{PACKAGE}/evaluation/metrics.py"


class Insertion(NamedTuple):
    """A text that the README tells the reader to write, its file, and what stands before and behind it there."""

    text: str
    path: str
    before: str
    behind: str = ""


INSERTIONS = [
    Insertion('"mine": Network(mine.Encoder, mine.Decoder),', NETWORKS, "Network(deep.Encoder, deep.Decoder),\n", "\n"),
    Insertion('"mine"', PARAMS, 'network: Literal["conv", "deep", ', ", "),
    Insertion('"mine": self.mlp_widths', PARAMS, '"conv": self.conv_channels,\n', ",\n"),
    Insertion("median_mse: float", METRICS, "    parameter_count: int\n    ", "\n    "),
    Insertion(
        "median_mse=float(np.median(mse)),", METRICS, "for weight in model.parameters()),\n        ", "\n        "
    ),
    Insertion(
        'yield Drawing("originals", grids.samples(pictures.reconstructions[::2], "Test images"))',
        f"{PACKAGE}/figures/gallery.py",
        "    data, params, names = subject.data, subject.params, subject.class_names\n    ",
        "\n    ",
    ),
    Insertion("weight_decay: 0.0001", "params.yaml", "", "  # Adam's weight decay, 0 or above\n"),
    Insertion("weight_decay: _NonNegative", PARAMS, "    learning_rate: Annotated[float, Field(gt=0)]\n    ", "\n    "),
    Insertion("weight_decay", "dvc.yaml", "learning_rate_schedule, adam_betas, ", ", "),
    Insertion("weight_decay=params.weight_decay", f"{PACKAGE}/training/loop.py", "(first, second), ", ", "),
]


def _insert(text: str, path: Path, before: str, behind: str) -> None:
    content = path.read_text()
    end = content.index(before) + len(before)
    path.write_text(f"{content[:end]}{text}{behind}{content[end:]}")


def test_changes_that_the_readme_proposes_work_as_it_says(digits: WorkingCopy, tmp_path: Path) -> None:
    readme = " ".join((REPOSITORY / "README.md").read_text().split())
    copy = digits.copied_to(tmp_path / "clone")
    networks = copy.folder / NETWORKS
    networks.with_name("mine.py").write_bytes(networks.with_name("mlp.py").read_bytes())
    networks.write_text(networks.read_text().replace("deep, fast_conv, mlp", "deep, fast_conv, mine, mlp"))
    for text, path, before, behind in INSERTIONS:
        assert text in readme
        _insert(text, copy.folder / path, before, behind)
    copy.set_param("network", "mine")
    copy.succeed("git", "add", "--all")
    copy.succeed("dvc", "repro")
    assert json.loads((copy.folder / "reports" / "metrics.json").read_text())["median_mse"] > 0
    assert (copy.folder / "reports" / "figures" / "originals.png").stat().st_size > 1000
    lock = (copy.folder / "dvc.lock").read_text()
    assert "weight_decay: 0.0001" in lock
    assert "network: mine" in lock
