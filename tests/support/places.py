"""Where this repository lies, and the tests' helpers in it."""

from pathlib import Path

SUPPORT = Path(__file__).parent
REPOSITORY = SUPPORT.parents[1]
