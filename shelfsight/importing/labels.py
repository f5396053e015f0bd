"""Labels of an import: categories of the taxonomy, or the start of a taxonomy of their own."""

from collections.abc import Iterable
from dataclasses import dataclass

from upath import UPath

from catalog.storage.files import replace_file
from catalog.taxonomy.files import TAXONOMY_FILE, read_taxonomy
from catalog.taxonomy.own_labels import label_path, own_id, own_taxonomy
from catalog.taxonomy.tree import TAXONOMY_URL, Taxonomy, TaxonomyError, canonical_path

MAX_SHOWN = 20


@dataclass(frozen=True, kw_only=True)
class LabelPlan:
    """The taxonomy that the labels need, and its text where it is to be written."""

    taxonomy: Taxonomy | None
    new_text: str | None = None

    def write(self, reference: UPath) -> None:
        """Writes a new taxonomy."""
        if self.new_text is not None:
            with replace_file(reference / TAXONOMY_FILE) as file:
                file.write(self.new_text.encode())


def plan_labels(labels: Iterable[str], reference: UPath) -> LabelPlan:
    """Checks that the taxonomy has every label; without a taxonomy, the labels become one.

    Raises:
        ValueError: the taxonomy lacks labels; the message lists them with near names.
        TaxonomyError: the taxonomy cannot be read, or labels are ids and there is no taxonomy.
    """
    wanted = list(labels)
    if (reference / TAXONOMY_FILE).exists():
        taxonomy = read_taxonomy(reference)
        _refuse_unknown([label for label in wanted if taxonomy.resolve(label) is None], taxonomy, reference)
        return LabelPlan(taxonomy=taxonomy)
    if not wanted:
        return LabelPlan(taxonomy=None)
    if all(label.isdecimal() for label in wanted):
        raise TaxonomyError(
            f"labels such as {wanted[0]!r} are ids, and there is no taxonomy; save {TAXONOMY_URL} as "
            f"{reference / TAXONOMY_FILE}, or name a column of names with --label-column"
        )
    text = own_taxonomy(map(label_path, wanted))
    return LabelPlan(taxonomy=Taxonomy.parse(text, str(reference / TAXONOMY_FILE)), new_text=text)


def _refuse_unknown(unknown: list[str], taxonomy: Taxonomy, reference: UPath) -> None:
    if not unknown:
        return
    shown = []
    for label in unknown[:MAX_SHOWN]:
        nearest = taxonomy.nearest(label)
        shown.append(f"{label!r} (nearest: {nearest!r})" if nearest else repr(label))
    more = f" and {len(unknown) - MAX_SHOWN} more" if len(unknown) > MAX_SHOWN else ""
    line = f"{own_id(canonical_path(unknown[0]), taxonomy.ids)} - {unknown[0]}"
    raise ValueError(
        f"{len(unknown)} labels are not in the taxonomy: {', '.join(shown)}{more}; correct them, choose another column "
        f"with --label-column, or add lines such as {line!r} to {reference / TAXONOMY_FILE}"
    )
