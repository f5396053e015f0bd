"""Writes the README's table of measurements from the results that the benchmarks left.

python -m benchmarks.readme
"""

import json
from pathlib import Path

from benchmarks.claims import RESULTS

README = Path(__file__).parent.parent / "README.md"
BEGIN, END = "<!-- measurements: begin -->", "<!-- measurements: end -->"


def measurements() -> str:
    """The table, one row a claim, misses included."""
    lines = ["| claim | measured | bar | holds | command |", "| --- | --- | --- | --- | --- |"]
    machines = set()
    for path in sorted(RESULTS.glob("*.json")):
        for record in json.loads(path.read_text()):
            machines.add(record["machine"])
            measured = f"{record['ours']:.3g} {record['unit']}"
            if record["ratio"] is not None:
                sides = f"{record['ours']:.3g} against {record['peer']:.3g} {record['unit']}"
                measured = f"{record['ratio']:.2f} times ({sides})"
            holds = {True: "yes", False: "**no**", None: ""}[record["holds"]]
            bar_unit = record["unit"] if record["ratio"] is None else "times"
            bar = "" if record["bar"] is None else f"{record['bar']:g} {bar_unit}"
            command = f"`make bench NAME={path.stem}`"
            lines.append(f"| {record['claim']} | {measured} | {bar} | {holds} | {command} |")
    return "\n".join([*lines, "", f"Measured on {'; '.join(sorted(machines))}."])


def with_measurements(text: str) -> str:
    """The README's text, its table replaced."""
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n\n{measurements()}\n\n{END}{tail}"


if __name__ == "__main__":
    README.write_text(with_measurements(README.read_text()))
