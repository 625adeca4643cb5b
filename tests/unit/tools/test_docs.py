"""README, docs and CONTRIBUTING: links, lengths, and the claims that can be compared with a file."""

import ast
import json
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

import verify
from places import REPOSITORY

PAGES = [
    *(REPOSITORY / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "benchmarks/README.md")),
    *sorted((REPOSITORY / "docs").glob("*.md")),
]
NAMES = [str(page.relative_to(REPOSITORY)) for page in PAGES]
README = (REPOSITORY / "README.md").read_text()
TROUBLESHOOTING = (REPOSITORY / "docs" / "troubleshooting.md").read_text()
LONGEST = 150
MARKS = {"needs-network", "needs-server", "needs-hardware", "needs-images", "needs-time"}


def _links(page: Path) -> Iterator[str]:
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    yield from re.findall(r"\]\(([^)\s]+)\)", text)
    yield from re.findall(r'src="([^"]+)"', text)


def _anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives to the headings of a page."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _plain(text: str) -> str:
    return " ".join(text.replace("`", "").split())


@pytest.mark.parametrize("name", NAMES)
def test_every_link_leads_to_a_file_and_a_heading_of_it(name: str) -> None:
    page = REPOSITORY / name
    for link in _links(page):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{name} links to {link}"
        assert target.is_relative_to(REPOSITORY)
        if anchor:
            assert anchor in _anchors(target), f"{name} links to {link}"


def test_anchors_are_those_that_github_makes(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A step\n```sh\n# no heading\n```\n## Killed and started again, twice\n### `free_nats`: nats\n")
    assert _anchors(page) == {"a-step", "killed-and-started-again-twice", "free_nats-nats"}


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith(("README", "CONTRIBUTING", "docs/"))])
def test_page_is_short(name: str) -> None:
    assert len((REPOSITORY / name).read_text().splitlines()) <= LONGEST


def test_first_command_stands_within_the_first_25_lines() -> None:
    assert any(line.startswith("make repro") for line in README.splitlines()[:25])


def test_index_lists_every_page() -> None:
    index = REPOSITORY / "docs" / "README.md"
    listed = {link.partition("#")[0] for link in _links(index)}
    pages = {page.name for page in (REPOSITORY / "docs").glob("*.md")} - {"README.md"}
    assert pages == {link for link in listed if "/" not in link}


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("docs/") and name != "docs/README.md"])
def test_page_of_a_topic_opens_with_a_command(name: str) -> None:
    first_section = (REPOSITORY / name).read_text().split("\n## ")[0]
    assert re.search(r"^```sh", first_section, flags=re.MULTILINE), name


@pytest.mark.parametrize("name", NAMES)
def test_code_block_is_run_by_the_tests_or_says_why_not(name: str) -> None:
    for words in re.findall(r"^ *```(sh.*)$", (REPOSITORY / name).read_text(), flags=re.MULTILINE):
        assert words == "sh" or words.removeprefix("sh ") in MARKS


def test_every_target_and_script_that_a_page_names_exists() -> None:
    listed = subprocess.run(["make", "-s", "help"], cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    targets = set(re.findall(r"^make (\w+)", listed, flags=re.MULTILINE))
    for page in PAGES:
        if page.name == "CHANGELOG.md":  # which names former targets
            continue
        text = page.read_text()
        named = re.findall(r"(?:^|`|PATH=\S+ |mnist )make ([a-z]+)", text, flags=re.MULTILINE)
        assert set(named) <= targets, page.name
        for script in re.findall(r"(?:python |`)((?:tools|benchmarks)/\w+\.py)", text):
            assert (REPOSITORY / script).is_file(), f"{page.name} names {script}"


def test_readme_names_the_commands_of_every_day_and_the_tests_as_ci_runs_them() -> None:
    named = set(re.findall(r"(?:^|`)make ([a-z]+)", (REPOSITORY / "README.md").read_text(), flags=re.MULTILINE))
    assert {"repro", "demo", "test"} <= named
    assert "make test\n" in (REPOSITORY / ".ci" / "run").read_text()


def test_every_test_that_a_page_names_exists() -> None:
    tests = {path.stem for path in (REPOSITORY / "tests").rglob("*.py")}
    for page in PAGES:
        assert set(re.findall(r"\b(test_\w+)(?:\.py|\])", page.read_text())) <= tests, page.name


def test_folders_that_the_readme_lists_are_all_there_are() -> None:
    tree = README.split("src/mnist_vae/\n")[1].split("```")[0]
    listed = re.findall(r"^  (\w+)/", tree, flags=re.MULTILINE)
    package = REPOSITORY / "src" / "mnist_vae"
    assert sorted(listed) == sorted(path.parent.name for path in package.glob("*/__init__.py"))


def test_python_versions_are_those_that_ci_tests() -> None:
    workflow = yaml.safe_load((REPOSITORY / ".github" / "workflows" / "ci.yml").read_text())
    versions = workflow["jobs"]["test"]["strategy"]["matrix"]["python"]
    told = re.findall(r"Python (3\.\d+) and (3\.\d+) on Ubuntu", " ".join(README.split()))
    assert told == [tuple(versions)]


def test_tolerance_of_verify_lies_between_rounding_and_another_seed() -> None:
    text = " ".join((REPOSITORY / "docs" / "reliability.md").read_text().split())
    (percent,) = re.findall(r"difference of up to ([\d.]+) % in each mean", text)
    assert float(percent) / 100 == verify.ALLOWED
    variants = json.loads((REPOSITORY / "benchmarks" / "rounding.json").read_text())["variants"]
    for name, variant in variants.items():
        assert (variant["largest of all"] > verify.ALLOWED) == name.startswith("seed")


def test_citation_has_the_version_and_the_licence_of_the_package() -> None:
    citation = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text())
    package = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert (citation["version"], citation["license"]) == (package["version"], package["license"])
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()


def test_parameters_that_the_changelog_calls_former_are_gone() -> None:
    params = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    changelog = (REPOSITORY / "CHANGELOG.md").read_text()
    for former in ("base_channels", "vanilla_channels", "free_bits", "fitted_samples:", "shuffle_block"):
        assert former in changelog
        assert former.rstrip(":") not in params


def _messages() -> Iterator[tuple[str, str]]:
    """Each message that ends a command in a line: where it is raised, and the longest piece of its text."""
    for folder in ("src", "stages", "tools"):
        for path in sorted((REPOSITORY / folder).rglob("*.py")):
            if path.name in {"readme.py", "clone.py", "likelihood.py", "environment.py"}:
                continue  # for those who work on the project, or a part of another message
            for node in ast.walk(ast.parse(path.read_text())):
                match node:
                    case ast.Call(func=ast.Name(id="UserError" | "UnreachableError" | "ValueError"), args=[text, *_]):
                        longest = max(_pieces(text), key=len, default="")
                        if any(letter.isalpha() for letter in longest):
                            yield f"{path.name}:{node.lineno}", longest


def _pieces(node: ast.expr) -> list[str]:
    """The texts of a message between what it is filled in with."""
    match node:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.JoinedStr(values=values):
            return [part.value for part in values if isinstance(part, ast.Constant) and isinstance(part.value, str)]
        case ast.BinOp(left=left, right=right):
            return _pieces(left) + _pieces(right)
    return []


MESSAGES = dict(_messages())


def test_messages_are_found_in_the_code() -> None:
    assert len(MESSAGES) > 60


@pytest.mark.parametrize("place", MESSAGES)
def test_troubleshooting_has_the_message(place: str) -> None:
    piece = re.sub(r"[\s(;:,]+$", "", _plain(MESSAGES[place]))
    assert piece in _plain(TROUBLESHOOTING).replace("...", ""), f"{place}: {piece}"


def test_troubleshooting_has_the_messages_of_the_set_up() -> None:
    script = (REPOSITORY / "tools" / "setup.sh").read_text()
    texts = re.findall(r'fail "(.+?)"$|fail "(.+?)"\n', script, flags=re.MULTILINE)
    messages = [re.sub(r"\$\(.*?\)|\$\w+", "…", one or other) for one, other in texts]
    assert len(messages) >= 6
    for message in messages:
        longest = max(re.split(r"…|: |\(|, or", message), key=len).strip()
        assert longest in _plain(TROUBLESHOOTING), longest
