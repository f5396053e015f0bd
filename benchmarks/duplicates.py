"""Near duplicates: precision and recall on copies of real photographs, compared with imagededup on the same files.

make bench NAME=duplicates
"""

import json
import os
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import combinations
from pathlib import Path
from zlib import crc32

from benchmarks.claims import Claim, beside, figure, publish
from benchmarks.duplicate_images import COPIES, NUM_SOURCES, write_images
from benchmarks.peers import environment
from benchmarks.processes import Measured, measure

REPOSITORY = Path(__file__).parent.parent
PHOTOGRAPHS = Path(os.environ.get("SHELFSIGHT_PHOTOGRAPHS", str(REPOSITORY.parent / "shared" / "data" / "clothing")))
PEER = ("imagededup==0.3.3.post2", "PyWavelets==1.8.0")
DEFAULT_THRESHOLD = 10  # imagededup's own
THRESHOLDS = tuple(range(0, 15, 2))

Pairs = set[frozenset[str]]


def main() -> None:
    """Measures, prints and publishes."""
    python = environment("imagededup", *PEER, borrows=True) / "python"
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        folder = scratch / "images"
        folder.mkdir()
        write_images(PHOTOGRAPHS, folder)
        names = sorted(file.name for file in folder.iterdir())
        tuning, reported = halves(names)
        ours, took = our_pairs(folder, scratch)
        claims = list(described("ours", ours, reported))
        speeds = []
        for method in ("PHash", "DHash"):
            found, theirs_took = their_pairs(method, folder, scratch, python)
            speeds.append(theirs_took.wall_s)
            best = max(THRESHOLDS, key=lambda threshold: f1(found[threshold], tuning))
            at_default = f"imagededup {method}, its threshold of {DEFAULT_THRESHOLD}"
            claims += described(at_default, found[DEFAULT_THRESHOLD], reported)
            claims += described(f"imagededup {method}, its best threshold ({best})", found[best], reported)
    rates = (len(names) / took.wall_s, len(names) / min(speeds))
    claims.append(beside("near duplicates among files, start-up included, beside imagededup", *rates, "images/s"))
    publish("duplicates", claims)


def halves(names: Iterable[str]) -> tuple[set[str], set[str]]:
    """Returns the files of half of the photographs, on which thresholds are chosen, and those of the other half."""
    tuning = {name for name in names if crc32(stem(name).encode()) % 2}
    return tuning, set(names) - tuning


def stem(name: str) -> str:
    """Returns the name of the photograph that a file shows."""
    return name.partition("~")[0]


def our_pairs(folder: Path, scratch: Path) -> tuple[Pairs, Measured]:
    """Returns the pairs of files that are in one group, and the measurement."""
    output = scratch / "ours.json"
    took = measure([sys.executable, "-m", "benchmarks.duplicates_ours", str(folder), str(output)], scratch / "log")
    members: Mapping[str, list[str]] = defaultdict(list)
    for name, group in json.loads(output.read_text()).items():
        members[group].append(name)
    return {frozenset(pair) for each in members.values() for pair in combinations(each, 2)}, took


def their_pairs(method: str, folder: Path, scratch: Path, python: Path) -> tuple[dict[int, Pairs], Measured]:
    """Returns imagededup's pairs by threshold, and the measurement of its default threshold alone."""
    script, output = str(REPOSITORY / "benchmarks" / "duplicates_peer.py"), scratch / f"{method}.json"
    took = measure([str(python), script, method, str(folder), str(output), str(DEFAULT_THRESHOLD)], scratch / "log")
    measure([str(python), script, method, str(folder), str(output), *map(str, THRESHOLDS)], scratch / "log")
    found = json.loads(output.read_text())
    return {
        int(threshold): {frozenset((name, other)) for name, others in each.items() for other in others}
        for threshold, each in found.items()
    }, took


def quality(pairs: Pairs, files: set[str]) -> tuple[float, float]:
    """Returns precision and recall of the pairs among these files; files of one photograph are true pairs."""
    considered = [pair for pair in pairs if pair <= files]
    right = sum(len({stem(name) for name in pair}) == 1 for pair in considered)
    sizes: Mapping[str, int] = defaultdict(int)
    for name in files:
        sizes[stem(name)] += 1  # type: ignore[index]
    return right / max(1, len(considered)), right / sum(size * (size - 1) // 2 for size in sizes.values())


def f1(pairs: Pairs, files: set[str]) -> float:
    """Returns the harmonic mean of precision and recall."""
    precision, recall = quality(pairs, files)
    return 2 * precision * recall / max(1e-9, precision + recall)


def described(who: str, pairs: Pairs, files: set[str]) -> list[Claim]:
    """Returns precision and recall over all pairs, and the recall of each kind of copy against its original."""
    precision, recall = quality(pairs, files)
    sources = [stem(name) for name in files if f"{stem(name)}~{next(iter(COPIES))}.jpg" == name]
    by_kind = {
        kind: sum(frozenset((f"{each}~original.jpg", f"{each}~{kind}.jpg")) in pairs for each in sources) / len(sources)
        for kind in COPIES
    }
    recalls = ", ".join(f"{kind} {share:.2f}" for kind, share in by_kind.items())
    print(f"{who}: precision {precision:.4f}, recall {recall:.4f}; {recalls}", flush=True)
    families = {family: [share for kind, share in by_kind.items() if kind.startswith(family)] for family in FAMILIES}
    means = ", ".join(f"{family} {sum(shares) / len(shares):.2f}" for family, shares in families.items())
    subject = f"near duplicates among copies of some {NUM_SOURCES // 2} photographs, {who}"
    return [
        figure(f"{subject}: precision of pairs", precision, ""),
        figure(f"{subject}: recall of pairs (of copies against their original: {means})", recall, ""),
    ]


FAMILIES = ("quality", "size", "brightness", "crop", "border")

if __name__ == "__main__":
    main()
