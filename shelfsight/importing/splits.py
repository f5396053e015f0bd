"""Splits of an import: rows that are marked as training, validation or test images keep their split.

Each split becomes a partner of its own, whose settings name the split, as golden partners are partners of their own.
"""

from collections.abc import Mapping
from dataclasses import dataclass

SPLITS = {
    **dict.fromkeys(["train", "training"], "train"),
    **dict.fromkeys(["val", "valid", "validation", "dev"], "val"),
    **dict.fromkeys(["test", "testing"], "test"),
}


@dataclass(frozen=True, kw_only=True)
class SplitPlan:
    """The partner and the split of each value of the column `split`; others belong to the main partner.

    `partners` maps a partner to its split, which is empty where products are split by hash.
    """

    partner: str
    partners: Mapping[str, str]
    partner_of: Mapping[str, str]
    note: str | None = None

    def of(self, value: str) -> str:
        """Returns the partner of a row."""
        return self.partner_of.get(value.lower(), self.partner)


def plan_splits(partner: str, counts: Mapping[str, int]) -> SplitPlan:
    """Plans the partners of an import.

    Without test rows the validation rows are the test split, and validation rows are drawn from the others. Rows whose
    value is no split train, so that they never evaluate. Without either, everything is split by hash.

    Args:
        partner: the name of the import.
        counts: rows by value of the column `split`.
    """
    values = {value: SPLITS[value.lower()] for value in counts if value.lower() in SPLITS}
    found = set(values.values())
    if not found & {"val", "test"}:
        return SplitPlan(partner=partner, partners={partner: ""}, partner_of={})
    partners = {partner: "train" if found >= {"val", "test"} else "train+val"}
    for split in sorted(found - {"train"}):
        partners[f"{partner}-{split}"] = split if "test" in found else "test"
    partner_of = {value.lower(): f"{partner}-{split}" for value, split in values.items() if split != "train"}
    others = {value: number for value, number in counts.items() if value not in values}
    notes = [f"{number:,} rows with split {value!r} train" for value, number in others.items()]
    if "test" not in found:
        notes.append("there are no test rows: the validation rows are the test split")
    if "val" not in found:
        notes.append("there are no validation rows: they are drawn from the training rows")
    return SplitPlan(partner=partner, partners=partners, partner_of=partner_of, note="; ".join(notes) or None)
