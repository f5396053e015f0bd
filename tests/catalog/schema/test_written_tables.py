"""Tables and views of a real store compared with their descriptions."""

import duckdb
import pytest

from catalog.schema.empty_warehouse import column_types, empty_warehouse
from catalog.schema.tables import DOCUMENT_DESCRIPTIONS, TABLE_DESCRIPTIONS
from catalog.schema.views import VIEW_DESCRIPTIONS
from tests.conftest import TinyCatalog
from tests.described import assert_described

# The tests of these assets hold their tables to the descriptions.
NOT_IN_THE_TINY_CATALOG = {
    *(
        "download_probe",
        "link_rot",
        "feed_freshness",
        "trials",
        "students",
        "ensembles",
        "title_embeddings",
        "multimodal",
    ),
    *("attribute_predictions", "attribute_metrics", "confidence", "suspect_labels"),
}
VIEWS_NOT_IN_THE_TINY_CATALOG = {"probe_by_partner", "link_rot_by_partner", "multimodal_accuracy"}


@pytest.mark.parametrize("name", sorted(TABLE_DESCRIPTIONS.keys() - NOT_IN_THE_TINY_CATALOG))
def test_a_written_table_has_the_described_columns(tiny_catalog: TinyCatalog, name: str) -> None:
    assert_described(tiny_catalog.root, name)


def test_every_view_of_a_store_has_the_described_columns_and_types(tiny_catalog: TinyCatalog) -> None:
    wanted = VIEW_DESCRIPTIONS.keys() - VIEWS_NOT_IN_THE_TINY_CATALOG
    with (
        duckdb.connect(tiny_catalog.root / "catalog.duckdb", read_only=True) as store,
        empty_warehouse() as empty,
    ):
        for name in sorted({*wanted, *DOCUMENT_DESCRIPTIONS}):
            assert column_types(store, name) == column_types(empty, name), name
