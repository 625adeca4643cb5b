"""YAML is read as DVC reads it: by version 1.2, of which ruamel.yaml, which DVC uses, is the oracle."""

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from mnist_vae.common.yaml12 import load_yaml, parse_yaml
from mnist_vae.console.stage import UserError

SCALARS = [
    *("1_000", "1_0.5", "0b11", "-0x1F", "+0o17", "-.5", "_1", "1e1_0"),
    *("1e-05", "1E5", "-1e5", "+.5", "1.", "-0", "0.1", "12", "+12", "010", "0o10", "0x1F", ".inf", "-.INF"),
    *("true", "False", "yes", "no", "on", "off", "y", "null", "~", "", "1e", "e5", "1.2.3", "'1e-05'"),
]


@pytest.mark.parametrize("scalar", SCALARS)
def test_scalar_is_what_dvc_takes_it_for(scalar: str) -> None:
    expected = YAML(typ="safe", pure=True).load(f"key: {scalar}")["key"]
    assert parse_yaml(f"key: {scalar}", "text") == {"key": expected}
    assert type(parse_yaml(f"- {scalar}", "text")[0]) is type(expected)  # pyright: ignore[reportIndexIssue]


@pytest.mark.parametrize("scalar", ["12:30", "2024-01-01", "="])
def test_scalar_of_an_older_version_is_a_text(scalar: str) -> None:
    assert parse_yaml(scalar, "text") == scalar


def test_anchors_and_merges_are_resolved() -> None:
    text = "a: &a {x: 1, y: 1e-3}\nb: {<<: *a, x: 2}"
    assert parse_yaml(text, "text") == {"a": {"x": 1, "y": 0.001}, "b": {"x": 2, "y": 0.001}}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"a: !!bool x", "x"),
        (b"a: !!float ''", "index"),
        (b"a: !!timestamp x", "NoneType"),
        (b"a: 1\na: 2", "a appears twice"),
        (b"a: [", "while parsing"),
        (b"a: caf\xe9", "unacceptable character"),
        (b"[" * 5000, "recursion"),
        (b"a: " + b"9" * 5000, "digits"),
    ],
)
def test_what_is_no_yaml_is_refused_in_one_line_by_name(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes(content)
    with pytest.raises(UserError, match=reason) as refused:
        load_yaml(path)
    assert str(refused.value).startswith(f"{path} is not YAML: ")
    assert "\n" not in str(refused.value)


def test_file_is_utf8_whatever_the_locale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes("a: 1  # café".encode())
    monkeypatch.setattr("locale.getpreferredencoding", lambda *_: "ascii")
    assert load_yaml(path) == {"a": 1}
