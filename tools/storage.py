"""Where a search's trials are kept: a file, or a database server, whose password nobody gets to see."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote_plus

import optuna
from filelock import FileLock
from optuna.exceptions import OptunaError
from optuna.storages import RDBStorage
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, IntegrityError, ProgrammingError, SQLAlchemyError

from mnist_vae.console.stage import UserError, without_password

VARIABLE = "MNIST_VAE_SEARCH_STORAGE"
_DEFAULT = "sqlite:///search.db"
_TRIES = 10
_SECONDS = 30  # to wait for another process that writes to the file
_OF_MAKE = ("STORAGE", "MAKEFLAGS", "MFLAGS", "MAKEOVERRIDES")


def take_address() -> str:
    """The storage's address from the environment, which no longer holds it then: neither do the stages."""
    for name in _OF_MAKE:
        os.environ.pop(name, None)
    return os.environ.pop(VARIABLE, "") or _DEFAULT


@contextmanager
def told_in_a_line(address: str) -> Iterator[None]:
    """Turn the failures of the storage into a UserError, without the password."""
    try:
        yield
    except (SQLAlchemyError, OptunaError, ImportError) as error:
        cause = error.__cause__ or error
        reason = next(iter(str(cause).splitlines()), "")
        for secret in _secrets(address):
            reason = reason.replace(secret, "***")
        raise UserError(
            f"the storage failed ({type(cause).__name__}: {without_password(reason)[:300]}): what runs goes on, and the"
            " next `make search` takes its results"
        ) from None


@contextmanager
def open_storage(address: str, root: Path) -> Iterator[RDBStorage]:
    """The storage, made if need be, and closed in the end; a relative file lies at the repository's root."""
    storage = _made(address, root)
    try:
        yield storage
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _made(address: str, root: Path) -> RDBStorage:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    url = _parsed(address)
    if url.get_backend_name() != "sqlite":
        return _opened(url)
    if not url.database or url.database == ":memory:":
        raise UserError("the storage is in memory, and would be lost: let STORAGE name a file or a server")
    place = (root / url.database).resolve()
    with FileLock(f"{place}.lock"):
        return _opened(url.set(database=str(place)), connect_args={"timeout": _SECONDS})


def _opened(url: URL, **options: object) -> RDBStorage:
    for _ in range(_TRIES - 1):
        try:
            return RDBStorage(url.render_as_string(hide_password=False), engine_kwargs=options)
        except (IntegrityError, ProgrammingError):  # another machine may be making the same tables
            time.sleep(0.5)
    return RDBStorage(url.render_as_string(hide_password=False), engine_kwargs=options)


def _parsed(address: str) -> URL:
    try:
        return make_url(address)
    except (ArgumentError, ValueError):
        raise UserError("STORAGE is no address such as postgresql://user@host/database or sqlite:///file") from None


def _secrets(address: str) -> list[str]:
    try:
        url = make_url(address)
    except (ArgumentError, ValueError):
        return [address]
    passwords = [str(url.password or ""), *(str(value) for key, value in url.query.items() if "pass" in key)]
    return [address, *(form for one in passwords if one for form in (one, quote_plus(one)))]
