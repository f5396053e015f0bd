"""Near duplicates: precision and recall on copies of real photographs, beside imagededup on the same files.

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
from benchmarks.duplicate_pictures import COPIES, NUM_SOURCES, write_pictures
from benchmarks.peers import environment
from benchmarks.processes import Measured, measure

REPOSITORY = Path(__file__).parent.parent
PHOTOGRAPHS = Path(os.environ.get("SHELFSIGHT_PHOTOGRAPHS", str(REPOSITORY.parent / "shared" / "data" / "clothing")))
PEER = ("imagededup==0.3.3.post2", "PyWavelets==1.8.0")
DEFAULT_THRESHOLD = 10  # imagededup's own
THRESHOLDS = tuple(range(0, 15, 2))

Pairs = set[frozenset[str]]


def main() -> None:
    """Measure, print, publish."""
    python = environment("imagededup", *PEER, borrows=True) / "python"
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        folder = place / "pictures"
        folder.mkdir()
        write_pictures(PHOTOGRAPHS, folder)
        names = sorted(file.name for file in folder.iterdir())
        tuned, judged = halves(names)
        ours, took = our_pairs(folder, place)
        claims = list(described("ours", ours, judged))
        speeds = []
        for method in ("PHash", "DHash"):
            found, theirs_took = their_pairs(method, folder, place, python)
            speeds.append(theirs_took.wall_s)
            best = max(THRESHOLDS, key=lambda threshold: f1(found[threshold], tuned))
            at_default = f"imagededup {method}, its threshold of {DEFAULT_THRESHOLD}"
            claims += described(at_default, found[DEFAULT_THRESHOLD], judged)
            claims += described(f"imagededup {method}, its best threshold ({best})", found[best], judged)
    rates = (len(names) / took.wall_s, len(names) / min(speeds))
    claims.append(beside("near duplicates among files, start-up included, beside imagededup", *rates, "pictures/s"))
    publish("duplicates", claims)


def halves(names: Iterable[str]) -> tuple[set[str], set[str]]:
    """The files of half of the photographs, on which thresholds are chosen, and the others, which are reported."""
    tuned = {name for name in names if crc32(stem(name).encode()) % 2}
    return tuned, set(names) - tuned


def stem(name: str) -> str:
    """The photograph that a file shows."""
    return name.partition("~")[0]


def our_pairs(folder: Path, place: Path) -> tuple[Pairs, Measured]:
    """Pairs of files that are in one group."""
    answer = place / "ours.json"
    took = measure([sys.executable, "-m", "benchmarks.duplicates_ours", str(folder), str(answer)], place / "log")
    members: Mapping[str, list[str]] = defaultdict(list)
    for name, group in json.loads(answer.read_text()).items():
        members[group].append(name)
    return {frozenset(pair) for each in members.values() for pair in combinations(each, 2)}, took


def their_pairs(method: str, folder: Path, place: Path, python: Path) -> tuple[dict[int, Pairs], Measured]:
    """Pairs of files that imagededup calls duplicates, by threshold; and what its default threshold alone took."""
    script, answer = str(REPOSITORY / "benchmarks" / "duplicates_peer.py"), place / f"{method}.json"
    took = measure([str(python), script, method, str(folder), str(answer), str(DEFAULT_THRESHOLD)], place / "log")
    measure([str(python), script, method, str(folder), str(answer), *map(str, THRESHOLDS)], place / "log")
    found = json.loads(answer.read_text())
    return {
        int(threshold): {frozenset((name, other)) for name, others in each.items() for other in others}
        for threshold, each in found.items()
    }, took


def quality(pairs: Pairs, judged: set[str]) -> tuple[float, float]:
    """Precision and recall of the pairs among these files; two files are one picture if they show one photograph."""
    considered = [pair for pair in pairs if pair <= judged]
    right = sum(len({stem(name) for name in pair}) == 1 for pair in considered)
    sizes: Mapping[str, int] = defaultdict(int)
    for name in judged:
        sizes[stem(name)] += 1  # type: ignore[index]
    return right / max(1, len(considered)), right / sum(size * (size - 1) // 2 for size in sizes.values())


def f1(pairs: Pairs, judged: set[str]) -> float:
    precision, recall = quality(pairs, judged)
    return 2 * precision * recall / max(1e-9, precision + recall)


def described(who: str, pairs: Pairs, judged: set[str]) -> list[Claim]:
    """Precision and recall over all pairs, and the recall of each kind of copy against its original."""
    precision, recall = quality(pairs, judged)
    sources = [stem(name) for name in judged if f"{stem(name)}~{next(iter(COPIES))}.jpg" == name]
    by_kind = {
        kind: sum(frozenset((f"{each}~original.jpg", f"{each}~{kind}.jpg")) in pairs for each in sources) / len(sources)
        for kind in COPIES
    }
    told = ", ".join(f"{kind} {share:.2f}" for kind, share in by_kind.items())
    print(f"{who}: precision {precision:.4f}, recall {recall:.4f}; {told}", flush=True)
    families = {family: [share for kind, share in by_kind.items() if kind.startswith(family)] for family in FAMILIES}
    means = ", ".join(f"{family} {sum(shares) / len(shares):.2f}" for family, shares in families.items())
    what = f"near duplicates among copies of some {NUM_SOURCES // 2} photographs, {who}"
    return [
        figure(f"{what}: precision of pairs", precision, ""),
        figure(f"{what}: recall of pairs (of copies against their original: {means})", recall, ""),
    ]


FAMILIES = ("quality", "size", "brightness", "crop", "border")

if __name__ == "__main__":
    main()
