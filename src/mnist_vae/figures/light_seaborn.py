"""seaborn without scipy.stats. Importing that takes a second, and no figure here uses it."""

import sys
from types import ModuleType
from typing import cast

_UNUSED = "scipy.stats"

# seaborn takes its own density estimate where scipy is not installed. None stands for a module that is not.
_imported = sys.modules.get(_UNUSED)
if _imported is None:
    sys.modules[_UNUSED] = cast("ModuleType", None)
try:
    import seaborn as sns
finally:
    if _imported is None:
        del sys.modules[_UNUSED]

__all__ = ["sns"]
