"""Fuzzing: mutated inputs of a kind, for as long as you like; the suite runs the same for a few seconds.

python -m tests.faults.fuzz TARGET SECONDS

A find is made smaller and written to `tests/faults/finds/TARGET-HASH`; from then on it is a case of the suite. An input
that ends the process is left in `shelfsight-fuzz-TARGET` of the folder of temporary files.
"""

import hashlib
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from hypothesis import HealthCheck, given, settings

from tests.faults import fuzz_feeds, fuzz_images, fuzz_toml
from tests.faults.mutations import mutated

FINDS = Path(__file__).parent / "finds"
NUM_A_ROUND = 500
MAX_GROWTH_KIB = 1 << 20  # of the peak of memory by a single input: more is a find


@dataclass(frozen=True)
class Target:
    """Valid inputs, and the check of any input, which raises where a promise is broken."""

    corpus: Callable[[], Sequence[bytes]]
    check: Callable[[bytes], None]


TARGETS: Mapping[str, Target] = {
    "images": Target(fuzz_images.corpus, fuzz_images.check),
    **{
        f"feeds-{name}": Target(partial(fuzz_feeds.corpus, name), partial(fuzz_feeds.check, name))
        for name in ("google_tsv", "google_xml", "parquet", "csv", "json_lines")
    },
    "feeds-compressed": Target(fuzz_feeds.compressed_corpus, fuzz_feeds.check_compressed),
    "toml": Target(fuzz_toml.corpus, fuzz_toml.check),
}


def fuzz(target: Target, num_examples: int) -> None:
    """Checks so many inputs; raises what the smallest find raises, after `target.check` was last called with it."""

    @settings(max_examples=num_examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(mutated(target.corpus()))
    def run(data: bytes) -> None:
        target.check(data)

    run()


def main(name: str, seconds: float) -> None:
    """Checks inputs of a target until the time is up."""
    target, last = TARGETS[name], [b""]
    before = Path(tempfile.gettempdir()) / f"shelfsight-fuzz-{name}"
    num = 0

    def check(data: bytes) -> None:
        nonlocal num
        num += 1
        last[0] = data
        before.write_bytes(data)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        target.check(data)
        if resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak > MAX_GROWTH_KIB:
            sys.exit(
                f"{name}: an input of {len(data):,} bytes takes more than a gigabyte; it is kept in {_kept(name, data)}"
            )

    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        try:
            fuzz(Target(target.corpus, check), NUM_A_ROUND)
        except Exception:
            print(f"{name}: a find after {num:,} inputs; it is kept in {_kept(name, last[0])}", flush=True)  # noqa: T201
            raise
    print(f"{name}: {num:,} inputs in {seconds:,.0f} s, no find")  # noqa: T201


def _kept(name: str, data: bytes) -> Path:
    find = FINDS / f"{name}-{hashlib.sha256(data).hexdigest()[:12]}"
    find.write_bytes(data)
    return find


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
