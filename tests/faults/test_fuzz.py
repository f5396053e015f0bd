"""A few seconds of fuzzing of each kind of input, and every find of longer runs (see CONTRIBUTING.md, "Fuzzing")."""

import pytest

from tests.faults.fuzz import FINDS, TARGETS, fuzz

NUM_EXAMPLES = 100  # a second or less
FOUND = sorted(path.name for path in FINDS.iterdir() if path.name != "README.md")


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # as in production
@pytest.mark.parametrize("name", TARGETS)
def test_no_mutated_input_breaks_a_promise(name: str) -> None:
    fuzz(TARGETS[name], NUM_EXAMPLES)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("name", FOUND)
def test_a_find_stays_mended(name: str) -> None:
    TARGETS[name.rpartition("-")[0]].check((FINDS / name).read_bytes())
