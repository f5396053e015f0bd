"""`shelfsight init`: a whole project around a feed, proposals that wait for a person, and nothing ever replaced."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from catalog.products.mapping_files import PROPOSALS_HEADER
from catalog.products.partner_categories import mapped_categories
from catalog.taxonomy.tree import TAXONOMY_URL
from demo.partners import REFERENCE
from resources.file_settings import TABLES
from resources.settings import Settings, project_file, variable_of
from resources.store import Store
from shelfsight.cli.command import main
from shelfsight.cli.init import InitOptions, init
from shelfsight.cli.init_file import LEFT_OUT, project_toml
from shelfsight.cli.init_taxonomy import taxonomy_text
from tests.catalog_assets.delivering import website

TAXONOMY = REFERENCE / "taxonomy.txt"
FEED = (
    "Artikel-Nr.,Bezeichnung,Bild,Warengruppe\n"
    + "".join(f"K{each},Kleid,http://a.example/{each}.jpg,Damen > Kleider\n" for each in range(3))
    + "N1,Neu,http://a.example/n.jpg,Neuheiten\n"
    + "kaputt\n"
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a feed; nothing is set in the environment."""
    for field in Settings.model_fields:
        monkeypatch.delenv(variable_of(field), raising=False)
    monkeypatch.delenv("SHELFSIGHT_PROJECT", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "herbst 2024.csv").write_text(FEED)
    return tmp_path


def made(capsys: pytest.CaptureFixture[str], *words: object) -> dict[str, Any]:
    """The JSON output of a successful command."""
    assert main(["init", *map(str, words), "--json"]) == 0, capsys.readouterr().err
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    return result


def refused(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    assert main(["init", *map(str, words)]) == 1
    return capsys.readouterr().err


def test_a_german_feed_becomes_a_project_whose_labels_wait_for_a_person(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--feed", "herbst 2024.csv", "--partner", "hansen", "--taxonomy", TAXONOMY)
    result = made(capsys, "my-catalog", *words)
    assert (result["products"], result["labeled products"], result["product types to confirm"]) == (4, 0, 2)
    assert result["columns"] == "id = Artikel-Nr., title = Bezeichnung, image_link = Bild, product_type = Warengruppe"
    project = folder / "my-catalog"
    assert (project / "inbox" / "hansen" / "herbst-2024.csv").read_text() == FEED
    monkeypatch.chdir(project)
    store = Store.of(Settings.read())
    [partner] = store.partners()
    assert (dict(partner.product_types), partner.num_unconfirmed_types) == ({}, 2)
    assert partner.columns["Bild"] == "image_link"

    file = project / "reference" / "hansen-product-types.csv"
    first = "Damen > Kleider,Apparel & Accessories > Clothing > Dresses"
    assert file.read_text().startswith(f"{','.join(PROPOSALS_HEADER)}\n{first},,")
    file.write_text(file.read_text().replace(f"{first},,", f"{first},yes,"))
    assert mapped_categories(store.partner("hansen"), store.taxonomy()) == {"damen > kleider": 2271}


def test_surely_near_categories_may_be_confirmed_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    result = made(capsys, "a", "--feed", "herbst 2024.csv", "--taxonomy", TAXONOMY, "--accept", "0.7")
    assert (result["labeled products"], result["product types to confirm"]) == (3, 1)


def test_own_categories_become_a_taxonomy_and_all_of_them_are_labels(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = made(capsys, "a", "--feed", "herbst 2024.csv", "--taxonomy", "own")
    assert (result["labeled products"], result["product types to confirm"]) == (4, 0)
    lines = (folder / "a" / "reference" / "taxonomy.txt").read_text().splitlines()
    assert [line.partition(" - ")[2] for line in lines[1:]] == ["Damen", "Damen > Kleider", "Neuheiten"]


def test_labels_of_the_taxonomy_need_no_mapping(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "g.tsv").write_text(
        "id\timage_link\tgoogle_product_category\n1\thttp://a/1.jpg\t2271\n2\thttp://a/2.jpg\t\n"
    )
    result = made(capsys, "a", "--feed", "g.tsv", "--taxonomy", TAXONOMY)
    assert (result["products"], result["labeled products"], result["product types to confirm"]) == (2, 1, 0)
    names = {path.name for path in (folder / "a" / "reference").iterdir()}
    assert names == {"taxonomy.txt", "partners.toml"}


def test_the_feeds_of_a_folder_are_one_partner_s(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    feeds = folder / "Hansen & Co"
    feeds.mkdir()
    for name in ("spring.csv", "summer.csv"):
        (feeds / name).write_text(FEED.replace("K", name[:3]))
    (feeds / "notes.docx").touch()
    result = made(capsys, "a", "--feed", feeds, "--taxonomy", "own")
    assert result["products"] == 8
    assert sorted(path.name for path in (folder / "a" / "inbox" / "Hansen-Co").iterdir()) == [
        "spring.csv",
        "summer.csv",
    ]


def test_a_folder_of_images_leads_to_the_import(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images = folder / "photos" / "dresses"
    images.mkdir(parents=True)
    (images / "1.JPG").touch()
    (images.parent / "labels.csv").write_text("path,label\n")
    result = made(capsys, "a", "--feed", images.parent)
    assert f"shelfsight import {images.parent} --partner photos" in result["next"]
    assert (folder / "a" / "inbox").is_dir()


def test_at_most_five_questions_are_asked(folder: Path) -> None:
    questions: list[str] = []
    replies = iter(
        ["herbst 2024.csv", "hansen", "Bezeichnung=description, Warengruppe=product_type", str(TAXONOMY), "yes"]
    )

    def ask(question: str, default: str) -> str:
        questions.append(question)
        return next(replies)

    result = init(folder / "a", InitOptions(), ask)
    assert len(questions) == 5
    assert "id = Artikel-Nr." in questions[2]
    assert "description = Bezeichnung" in result["columns"]
    assert "title" not in result["columns"]


def test_every_setting_is_explained_and_its_default_may_be_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = Settings.read()
    text = project_toml("photo-cpu", "photo-cpu")
    assert list(tomllib.loads(text)) == ["plan"]
    written = re.sub(r"^# ([\w.]+ = )(?=.)", r"\1", text.partition("\n# Recipes")[0], flags=re.MULTILINE)
    names = {
        f"{key}_{each}" if key in TABLES else key
        for key, value in tomllib.loads(written).items()
        for each in (value if key in TABLES else [key])
    }
    assert names == set(Settings.model_fields) - LEFT_OUT
    (folder / "shelfsight.toml").write_text(written)
    monkeypatch.setenv("SHELFSIGHT_PROJECT", str(folder))
    read = Settings.read()
    places = {"store", "inbox", "reference", "dagster_home"}
    assert {name: getattr(read, name) for name in Settings.model_fields if name not in places} == {
        name: getattr(before, name) for name in Settings.model_fields if name not in places
    }
    assert (read.store, read.inbox) == (str(folder / "store"), str(folder / "inbox"))
    assert project_file().plan == {}


def test_a_project_and_its_files_are_never_replaced(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--feed", "herbst 2024.csv", "--taxonomy", "own")
    made(capsys, "a", *words)
    assert "shelfsight.toml exists" in refused(capsys, "a", *words)
    (folder / "b" / "reference").mkdir(parents=True)
    (folder / "b" / "reference" / "partners.toml").write_text("mine")
    assert "partners.toml exists and would be replaced; move it away" in refused(capsys, "b", *words)
    assert [path.name for path in (folder / "b").rglob("*")] == ["reference", "partners.toml"]


def test_a_taxonomy_that_is_there_already_is_used_as_it_is(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = folder / "a" / "reference" / "taxonomy.txt"
    kept.parent.mkdir(parents=True)
    kept.write_text(TAXONOMY.read_text())
    result = made(capsys, "a", "--feed", "herbst 2024.csv")
    assert result["product types to confirm"] == 2
    assert kept.read_text() == TAXONOMY.read_text()


def test_the_taxonomy_is_fetched_by_the_guarded_client(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = folder / "reference" / "taxonomy.txt"
    with website(folder / "site") as (url, requests):
        (folder / "site" / "taxonomy.txt").write_text(TAXONOMY.read_text())
        with pytest.raises(ValueError, match=r"cannot be fetched \(blocked_address\); save it from a browser as"):
            taxonomy_text("google", kept=kept, own_paths=[], url=f"{url}/taxonomy.txt")
        assert requests == []
        monkeypatch.setenv("SHELFSIGHT_ALLOWED_NETWORKS", "127.0.0.1/32")
        assert taxonomy_text("google", kept=kept, own_paths=[], url=f"{url}/taxonomy.txt") == TAXONOMY.read_text()
        with pytest.raises(ValueError, match=r"cannot be fetched \(gone\)"):
            taxonomy_text("google", kept=kept, own_paths=[], url=f"{url}/other.txt")
    assert TAXONOMY_URL.startswith("https://www.google.com/")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--feed", "none.csv"), "there is no feed and no folder 'none.csv'"),
        (("--feed", "."), "herbst"),
        (("--feed", "herbst 2024.csv", "--taxonomy", "none.txt"), "there is no taxonomy 'none.txt'"),
        (("--feed", "herbst 2024.csv", "--column", "Bildd=image_link"), "no column 'Bildd'; similar names: Bild"),
        (
            ("--feed", "herbst 2024.csv", "--column", "Bild=image_lnk"),
            "no attribute 'image_lnk'; similar names: image_link",
        ),
        (("--feed", "herbst 2024.csv", "--column", "Bild="), "no column looks like 'image_link'; the feed has"),
    ],
)
def test_what_cannot_be_used_is_named_and_nothing_is_written(
    words: tuple[str, ...], message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if words[1] == ".":
        (folder / "herbst 2024.csv").write_text("a;b\n")
        message = "the feed has 'a', 'b'"
    assert message in refused(capsys, "a", *words)
    assert not (folder / "a").exists()


SHOPIFY = (
    "Handle,Title,Vendor,Option1 Name,Option1 Value,Variant SKU,Variant Price,Image Src,Image Position,Type\n"
    "shoe,Shoe,Acme,Size,42,s-42,9.99,https://shop/a.jpg,1,Shoes\n"
    "shoe,,,,43,s-43,9.99,https://shop/b.jpg,2,\n"
)


def test_an_export_of_a_shop_system_is_recognized_and_needs_no_columns(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "products_export.csv").write_text(SHOPIFY)
    result = made(capsys, "shop", "--feed", "products_export.csv", "--partner", "hansen", "--taxonomy", TAXONOMY)
    assert result["columns"] == "those of Shopify's product export"
    assert result["products"] == 2
    settings = tomllib.loads((folder / "shop/reference/partners.toml").read_text())["partners"]["hansen"]
    assert settings["preset"] == "shopify"
    assert "columns" not in settings
