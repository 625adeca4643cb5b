"""The faults of a folder. All of them are counted, and the first of each kind are named."""

from mnist_vae.console.stage import UserError

_NAMED = 3


class Faults:
    """Collects faults by kind, to raise them as one line."""

    def __init__(self):
        self._counts: dict[str, int] = {}
        self._first: dict[str, list[str]] = {}

    def add(self, kind: str, where: str, count: int = 1) -> None:
        """Count a fault of a kind, such as `no image`; `where` is a path or a class, with a reason if there is one."""
        self._counts[kind] = self._counts.get(kind, 0) + count
        named = self._first.setdefault(kind, [])
        if len(named) < _NAMED:
            named.append(printable(where))

    def __bool__(self) -> bool:
        return bool(self._counts)

    def require_none(self, place: object) -> None:
        """Raise a UserError that counts and names the faults of a place, if there are any."""
        if self:
            total = sum(self._counts.values())
            kinds = "; ".join(map(self._tell, self._counts))
            raise UserError(f"{place} has {total:,} fault{'s' if total > 1 else ''}: {kinds}")

    def _tell(self, kind: str) -> str:
        named, count = self._first[kind], self._counts[kind]
        rest = ", ..." if count > len(named) else ""
        return f"{count:,} × {kind} ({', '.join(named)}{rest})"


def printable(text: str) -> str:
    """The text as it is if it can be printed in one line, otherwise its repr."""
    return text if text.isprintable() else repr(text)
