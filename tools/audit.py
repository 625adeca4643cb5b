"""What can be checked of the project's security: audit.py OSV_ADDRESS."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from presets import ROOT

_LONGEST_REASON = 150


class Finding(NamedTuple):
    """What a check found: True for good, False for bad, None if it could not be done."""

    good: bool | None
    text: str


def audit_lock(root: Path) -> Finding:
    """Each package in requirements.txt must be pinned to a version, and its files to their hashes."""
    text = (root / "requirements.txt").read_text().replace("\\\n", " ")
    lines = [line.split() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    loose = [line[0] for line in lines if "==" not in line[0] or not any("--hash=sha256:" in part for part in line)]
    if loose:
        return Finding(good=False, text=f"requirements.txt does not pin {', '.join(loose)}: make lock")
    return Finding(good=True, text=f"requirements.txt pins {len(lines)} packages to versions and hashes")


def audit_environment(root: Path) -> Finding:
    """The environment must hold what requirements.txt locks, no more and no less."""
    done = _run(root, "uv", "pip", "sync", "--dry-run", "--offline", "requirements.txt")
    changes = [line.strip() for line in done.stderr.splitlines() if re.match(r" [+-] ", line)]
    if done.returncode or changes:
        reason = ", ".join(changes) or done.stderr.strip().splitlines()[-1]
        return Finding(good=False, text=f".venv is not what requirements.txt locks ({reason}): make setup")
    return Finding(good=True, text=".venv holds what requirements.txt locks and nothing else")


def audit_code(root: Path) -> Finding:
    """The rules of flake8-bandit, as ruff has them, but for those that forbid to start git, dvc or mlflow by name."""
    folders = [name for name in ("src", "stages", "tools", "benchmarks") if (root / name).is_dir()]
    done = _run(
        root,
        "ruff",
        "check",
        "--select",
        "S",
        "--ignore",
        "S603,S607",
        "--output-format",
        "concise",
        "--quiet",
        *folders,
    )
    if done.returncode:
        return Finding(good=False, text=f"ruff's security rules: {'; '.join(done.stdout.strip().splitlines())}")
    return Finding(good=True, text="ruff's security rules (flake8-bandit) find nothing in the code")


def audit_habits(root: Path) -> Finding:
    """The project's own: nothing unpickles, everything listens on this machine only."""
    done = _run(root, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_safe_files.py")
    if done.returncode:
        return Finding(good=False, text=f"tests/test_safe_files.py fails:\n{done.stdout}")
    return Finding(
        good=True, text="nothing unpickles, and what listens listens on this machine only (test_safe_files.py)"
    )


def audit_vulnerabilities(root: Path, osv_address: str) -> Finding:
    """No locked package may have a vulnerability that the OSV data base knows. That needs a network."""
    options = ["--requirement", "requirements.txt", "--disable-pip", "--require-hashes", "--format", "json"]
    service = [
        "--vulnerability-service",
        "osv",
        "--osv-url",
        osv_address,
        "--progress-spinner",
        "off",
        "--timeout",
        "10",
    ]
    done = _run(root, "pip-audit", *options, *service)
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except ValueError:
        reason = done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"exit code {done.returncode}"
        return Finding(good=None, text=f"known vulnerabilities were not looked up: {reason[:_LONGEST_REASON]}")
    known = [f"{one['name']} {one['version']}: {bug['id']}" for one in packages for bug in one.get("vulns", [])]
    if known:
        return Finding(good=False, text=f"known vulnerabilities: {'; '.join(known)}")
    return Finding(good=True, text=f"no known vulnerability in {len(packages)} packages")


def main(root: Path, osv_address: str) -> int:
    checks = (audit_lock, audit_environment, audit_code, audit_habits)
    findings = [*(check(root) for check in checks), audit_vulnerabilities(root, osv_address)]
    words = {True: "good", False: "BAD", None: "not done"}
    for finding in findings:
        print(f"audit: {words[finding.good]}: {finding.text}")
    return 1 if any(finding.good is False for finding in findings) else 0


def _run(root: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)


if __name__ == "__main__":
    sys.exit(main(ROOT, sys.argv[1]))
