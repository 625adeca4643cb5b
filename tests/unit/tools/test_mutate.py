"""The list of mutations: each still names one place of the code."""

import pytest

from mutate import MUTATIONS, PACKAGE, Mutation
from places import REPOSITORY


@pytest.mark.parametrize("mutation", MUTATIONS, ids=[f"{one.file} {one.old.strip()}" for one in MUTATIONS])
def test_mutation_changes_one_place(mutation: Mutation) -> None:
    assert (REPOSITORY / PACKAGE / mutation.file).read_text().count(mutation.old) == 1
    assert mutation.old != mutation.new
