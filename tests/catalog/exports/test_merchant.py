"""Supplemental feeds for Merchant Center: format, categories, ids, and taxonomies that are not Google's."""

import csv
import json
from pathlib import Path

import pytest
from upath import UPath

from catalog.exports.catalog_export import export_supplemental_feeds
from catalog.exports.current_catalog import CatalogFilter
from catalog.feeds.google_tsv import read_google_tsv
from catalog.taxonomy.google import google_categories
from catalog.taxonomy.parsing import TaxonomyError
from tests.catalog.exports.small_store import GOOGLE_FILE, PATHS, write_delivery, write_taxonomy

GOOGLE = {category_id: category_id for category_id in PATHS}


def exported(root: Path, folder: Path, selection: CatalogFilter | None = None) -> dict[str, object]:
    return export_supplemental_feeds(UPath(root), folder, GOOGLE, selection or CatalogFilter(), lambda *_: None)


def feed(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file, delimiter="\t", strict=True))


def test_each_partner_has_a_feed_of_its_own_ids(tmp_path: Path) -> None:
    write_delivery(tmp_path, "acme.spring.00001", [{"item": "1"}, {"item": "né-2", "category_id": 1604}])
    write_delivery(tmp_path, "acme.spring.00002", [{"item": "3", "category_id": 166}])
    write_delivery(tmp_path, "zwirn.feed", [{"item": "1"}])
    record = exported(tmp_path, tmp_path / "feeds")
    header = ["id", "google_product_category"]
    assert feed(tmp_path / "feeds" / "acme.tsv") == [header, ["1", "187"], ["né-2", "1604"], ["3", "166"]]
    assert feed(tmp_path / "feeds" / "zwirn.tsv") == [header, ["1", "187"]]
    assert (record["feeds"], record["items"]) == (["acme.tsv", "zwirn.tsv"], 4)
    assert json.loads((tmp_path / "feeds" / "export.json").read_text()) == record


def test_the_platform_s_own_reader_of_merchant_feeds_reads_it(tmp_path: Path) -> None:
    ids = ['24" TV', "plain", "a,b;c", "'quoted'", "größe-1"]
    write_delivery(tmp_path, "acme.spring", [{"item": each} for each in ids])
    exported(tmp_path, tmp_path / "feeds")
    with (tmp_path / "feeds" / "acme.tsv").open("rb") as file:
        batches = list(read_google_tsv(file, "acme.tsv"))
    rows = [row for batch in batches for row in batch.rows.to_dicts()]
    assert [(row["item_id"], row["google_product_category"]) for row in rows] == [(each, "187") for each in ids]


def test_items_that_google_would_refuse_are_counted_and_left_out(tmp_path: Path) -> None:
    rows = [
        {"item": "ok"},
        {"item": "x" * 50},
        {"item": "x" * 51},
        {"item": "tab\tin id"},
        {"item": "no category", "category_id": None},
        {"item": "foreign", "category_id": 4711},
    ]
    write_delivery(tmp_path, "acme.spring", rows)
    record = exported(tmp_path, tmp_path / "feeds")
    assert [row[0] for row in feed(tmp_path / "feeds" / "acme.tsv")[1:]] == ["ok", "x" * 50]
    left_out = {name: num for name, num in record.items() if name.startswith("with")}
    assert left_out == {
        "with an id above 50 characters": 1,
        "with control characters in the id": 1,
        "without a category": 1,
        "without a Google category": 1,
    }


def test_a_partner_without_an_item_has_no_feed(tmp_path: Path) -> None:
    write_delivery(tmp_path, "acme.spring", [{"item": "1"}])
    write_delivery(tmp_path, "zwirn.feed", [{"item": "1", "probability": 0.2}])
    record = exported(tmp_path, tmp_path / "feeds", CatalogFilter(min_confidence=0.5))
    assert record["feeds"] == ["acme.tsv"]
    assert not (tmp_path / "feeds" / "zwirn.tsv").exists()


def test_an_extension_has_the_nearest_category_of_google_above_it(tmp_path: Path) -> None:
    extension = (
        "1000001 - Apparel & Accessories > Shoes > Clogs\n1000002 - Apparel & Accessories > Shoes > Clogs > Wooden\n"
    )
    write_taxonomy(tmp_path, extension=extension)
    categories = google_categories(UPath(tmp_path / "reference"))
    assert categories == {**GOOGLE, 1000001: 187, 1000002: 187}


@pytest.mark.parametrize("first_line", ["", "# Own_Taxonomy_Version: 1\n"])
def test_a_taxonomy_of_one_s_own_is_refused_with_the_way_out(tmp_path: Path, first_line: str) -> None:
    write_taxonomy(tmp_path, first_line=first_line)
    with pytest.raises(TaxonomyError, match=r"a taxonomy of your own.*export CSV, JSON Lines or Parquet, or label"):
        google_categories(UPath(tmp_path / "reference"))


def test_googles_file_in_another_language_is_google_s(tmp_path: Path) -> None:
    write_taxonomy(tmp_path, first_line=GOOGLE_FILE)
    translated = "# Google_Product_Taxonomy_Version: 2021-09-21\r\n166 - Bekleidung\r\n"
    (tmp_path / "reference" / "taxonomy.txt").write_text(f"\ufeff{translated}", newline="")
    assert google_categories(UPath(tmp_path / "reference")) == {166: 166}
