"""Reading YAML 1.2, as DVC does: 1e-05 is a number, 010 is ten, and `no` is a text."""

import re
from pathlib import Path

import yaml

from mnist_vae.console.stage import UserError


class _Loader(yaml.SafeLoader):
    """PyYAML's loader for version 1.1, changed to the core schema of version 1.2. It refuses duplicate keys.

    Source: https://yaml.org/spec/1.2.2/#103-core-schema. Underscores in numbers are allowed too, as in DVC.
    """

    yaml_implicit_resolvers = {}  # noqa: RUF012 (as PyYAML declares it)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:  # noqa: FBT001, FBT002
        keys = [key.value for key, _ in node.value]
        if twice := [key for key in keys if keys.count(key) > 1]:
            raise yaml.constructor.ConstructorError(None, None, f"{twice[0]} appears twice", node.start_mark)
        return super().construct_mapping(node, deep)

    def construct_whole_number(self, node: yaml.ScalarNode) -> int:
        text = node.value.replace("_", "")
        return int(text, 0 if text.lstrip("+-")[:2] in {"0b", "0o", "0x"} else 10)


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_whole_number)
for _kind, _pattern, _first in (
    ("null", r"(?:~|null|Null|NULL|)", ["~", "n", "N", ""]),
    ("bool", r"(?:true|True|TRUE|false|False|FALSE)", [*"tTfF"]),
    ("int", r"[-+]?(?:[0-9][0-9_]*|0b[01_]+|0o[0-7_]+|0x[0-9a-fA-F_]+)", [*"-+0123456789"]),
    (
        "float",
        r"[-+]?(?:\.[0-9_]+|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        [*"-+.0123456789"],
    ),
    ("merge", "<<", ["<"]),  # not in version 1.2, but DVC accepts it
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", re.compile(rf"(?:{_pattern})\Z"), _first)


def load_yaml(path: Path) -> object:
    """The content of a YAML file. Raises UserError, which names the file, if it is missing or no YAML."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{path} is missing: restore it with `git restore {path}`") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error}") from None
    return parse_yaml(content, str(path))


def parse_yaml(content: str | bytes, source: str) -> object:
    """The content of a YAML text; bytes are UTF-8. Raises UserError, which names the source, if it is not YAML."""
    try:
        return yaml.load(content, _Loader)  # noqa: S506 (it is a SafeLoader)
    except (yaml.YAMLError, ValueError, RecursionError, LookupError, AttributeError) as error:
        # LookupError, AttributeError: a tag that does not fit its value, such as `!!bool x`. ValueError: a number with
        # too many digits. RecursionError: very deeply nested brackets.
        raise UserError(f"{source} is not YAML: {' '.join(str(error).split())}") from None
