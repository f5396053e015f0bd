"""`shelfsight feed categories`: unknown texts with their nearest categories, which label once they are confirmed."""

import csv
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from upath import UPath

from catalog.feeds.registration import register
from catalog.feeds.sources import FeedFile
from catalog.products.mapping_files import CATEGORIES_HEADER
from catalog.products.partners import read_partner
from shelfsight.cli.command import main
from tests.faults.dirty.running import TAXONOMY

FEED = (
    "id,title,google_product_category\n"
    "a,Shoe,Footwear Shoes\nb,Shoe,Footwear Shoes\nc,Dress,Dress (summer)\nd,Chair,443\ne,Odd,Qwrtz\n"
)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store with the feed of one partner."""
    reference, inbox = tmp_path / "reference", tmp_path / "inbox/hansen"
    reference.mkdir()
    inbox.mkdir(parents=True)
    (reference / "taxonomy.txt").write_text(TAXONOMY)
    (reference / "partners.toml").write_text("[partners.hansen]\n[partners.meier]\n")
    (inbox / "spring.csv").write_text(FEED)
    feed, records = FeedFile.in_inbox(UPath(inbox / "spring.csv")), UPath(tmp_path / "deliveries")
    for delivery in register(feed, records=records, received_at=datetime(2024, 5, 1, tzinfo=UTC)):
        delivery.save(records)
    return tmp_path


def proposed(store: Path, capsys: pytest.CaptureFixture[str]) -> tuple[dict[str, object], list[list[str]]]:
    """The command's output and the rows of the file."""
    assert main(["feed", "categories", "hansen", "--store", str(store), "--json"]) == 0, capsys.readouterr().err
    result = json.loads(capsys.readouterr().out)
    return result, list(csv.reader((store / "reference/hansen-categories.csv").read_text().splitlines()))


def test_unknown_texts_are_written_with_their_nearest_categories(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result, rows = proposed(store, capsys)
    assert (result["texts of no category"], result["products"]) == (3, 4)
    assert tuple(rows[0]) == CATEGORIES_HEADER
    assert [rows[1][0], rows[1][1], rows[1][2], rows[1][4]] == [
        "Footwear Shoes",
        "Apparel & Accessories > Shoes",
        "",
        "2",
    ]
    assert {row[0] for row in rows[1:]} == {"Footwear Shoes", "Dress (summer)", "Qwrtz"}
    assert [row[1] for row in rows if row[0] == "Qwrtz"] == [""]
    assert "categories = 'hansen-categories.csv'" in str(result["next"])


def test_nothing_labels_until_a_person_confirms_it_and_what_is_confirmed_stays(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    proposed(store, capsys)
    (store / "reference/partners.toml").write_text("[partners.hansen]\ncategories = 'hansen-categories.csv'\n")
    partner = read_partner(UPath(store / "reference"), "hansen")
    assert (dict(partner.categories), partner.num_unconfirmed_types) == ({}, 3)
    path = store / "reference/hansen-categories.csv"
    path.write_text(
        path.read_text().replace("Footwear Shoes,Apparel & Accessories > Shoes,,", "Footwear Shoes,187,yes,")
    )
    partner = read_partner(UPath(store / "reference"), "hansen")
    assert (dict(partner.categories), partner.num_unconfirmed_types) == ({"Footwear Shoes": "187"}, 2)
    result, rows = proposed(store, capsys)
    assert result["texts of no category"] == 2
    assert [row[:3] for row in rows if row[0] == "Footwear Shoes"] == [["Footwear Shoes", "187", "yes"]]


def test_a_partner_without_a_delivery_is_told_so(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["feed", "categories", "meier", "--store", str(store)]) == 1
    assert "no delivery of partner 'meier' is registered" in capsys.readouterr().err
