"""Every command, with hostile text wherever a partner can put some: nothing but printable lines leaves it."""

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import dagster as dg
import pytest

from catalog.storage.warehouse import write_warehouse
from catalog_assets.flow import register_arrivals
from catalog_assets.partitions import deliveries
from resources.instance import made_home
from resources.settings import Settings, variable_of
from resources.store import Store
from shelfsight.cli.command import main
from tests.catalog.exports.small_store import write_delivery
from tests.faults.hostile_texts import HOSTILE, TERMINAL, is_shown
from tests.shelfsight.cli.test_every_command import LEAVES

ALL = "".join(TERMINAL.values())
NAME = ALL.replace("\0", "").replace("/", "").replace("\udcff", "")[:60]  # of a file
# The arguments of a command that ends with an error about them.
WRONG = {
    ("init",): ["{folder}", "--feed", ALL],
    ("feed", "add"): [ALL],
    ("feed", "accept"): [ALL],
    ("feed", "versions"): [ALL],
    ("feed", "rollback"): [ALL],
    ("feed", "categories"): [ALL],
    ("import",): [ALL],
    ("classify",): [ALL],
    ("similar",): [ALL],
    ("query",): [f'SELECT "{ALL}"'],
    ("status",): ["--store", f"{{folder}}/{NAME}"],
    ("run",): ["--only", ALL],
    ("up",): [ALL],
    ("explore",): [ALL],
    ("explore-users", "add"): [ALL],
    ("explore-users", "remove"): [ALL],
    ("explore-users", "list"): [ALL],
    ("check",): [ALL],
    ("recipes",): [ALL],
    ("export", "catalog"): ["{folder}/x.csv", "--partner", ALL],
    ("export", "dataset"): ["{folder}/x", "--format", ALL],
}


def run(*words: str) -> tuple[int, str, str]:
    """Runs a command; returns its exit code, and what it wrote to stdout and stderr."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main(list(words))
    return code, out.getvalue(), err.getvalue()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project with hostile names of feeds, hostile titles, and a delivery that failed with a hostile message."""
    for field in Settings.model_fields:
        monkeypatch.delenv(variable_of(field), raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shelfsight.toml").write_text("[plan]\n")
    reference, inbox = tmp_path / "reference", tmp_path / "inbox" / "hansen"
    reference.mkdir()
    inbox.mkdir(parents=True)
    (reference / "taxonomy.txt").write_text("166 - Apparel & Accessories\n187 - Apparel & Accessories > Shoes\n")
    (reference / "partners.toml").write_text("[partners.hansen]\n")
    (inbox / f"{NAME}.tsv").write_text("id\ttitle\timage_link\n1\tx\ty\n")
    (tmp_path / "inbox" / f"{NAME}.tsv").write_text("nobody's\n")
    (inbox / "columns.tsv").write_text(
        f"id\ttitle\t{ALL.replace(chr(10), '').replace(chr(13), '')}\n".encode("utf-8", "replace").decode()
    )
    yield tmp_path


@pytest.mark.parametrize("words", LEAVES, ids=" ".join)
@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
def test_an_error_about_a_hostile_argument_is_printable(words: tuple[str, ...], as_json: bool, project: Path) -> None:
    arguments = [each.replace("{folder}", str(project)) for each in WRONG[words]]
    try:
        code, out, err = run(*words, *arguments, *(["--json"] if as_json else []))
    except Exception as error:
        pytest.fail(f"{' '.join(words)} raised {error!r}")
    assert code in (1, 2)
    assert is_shown(out)
    assert is_shown(err)
    assert not as_json or json.loads(out)["error"]["exit_code"] == code


@pytest.mark.parametrize("words", [["status"], ["run", "--dry-run"], ["check"]], ids=" ".join)
def test_a_hostile_name_of_a_feed_is_shown_without_what_controls_a_terminal(words: list[str], project: Path) -> None:
    (project / "store").mkdir()
    for as_json in ([], ["--json"]):
        code, out, err = run(*words, *as_json)
        assert code in (0, 1)
        assert "[31mred" in out + err
        assert is_shown(out + err)


def test_status_shows_a_failed_run_with_a_hostile_cause(project: Path) -> None:
    for feed in (project / "inbox").rglob("*.tsv"):
        feed.unlink()
    (project / "inbox" / "hansen" / "spring.tsv").write_text("id\ttitle\timage_link\n1\tx\ty\n")
    store = Store.of(Settings.read())

    @dg.asset(partitions_def=deliveries)
    def products() -> None:
        raise ValueError(ALL.replace("\udcff", ""))

    parse = dg.Definitions(assets=[products], jobs=[dg.define_asset_job("parse")]).resolve_job_def("parse")
    with dg.DagsterInstance.from_config(str(made_home(Settings.read(), store))) as instance:
        register_arrivals(store, instance)
        done = parse.execute_in_process(instance=instance, partition_key="hansen.spring", raise_on_error=False)
        assert not done.success
    for as_json in ([], ["--json"]):
        code, out, err = run("status", *as_json)
        assert code == 0
        assert "its parse failed: " in out, out
        assert "overwritten" in out
        assert is_shown(out + err)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_query_shows_titles_names_of_columns_and_lists(text: str, tmp_path: Path) -> None:
    title = text.encode("utf-8", "replace").decode()
    write_delivery(tmp_path, "hansen.spring", [{"item": "1", "title": title}])
    write_warehouse(tmp_path / "catalog.duckdb", str(tmp_path))
    column = title.replace("\0", "").replace('"', "")
    sql = f'SELECT title, title AS "{column}", [title] AS titles, {{title: title}} AS record FROM products'  # noqa: S608
    for as_json in ([], ["--json"]):
        code, out, err = run("--store", str(tmp_path), "query", sql, *as_json)
        assert (code, err) == (0, "")
        assert is_shown(out)
    assert json.loads(out)[0]["title"] == title


def test_init_asks_about_hostile_columns_in_printable_questions(tmp_path: Path) -> None:
    feed = tmp_path / "feed.tsv"
    columns = [each.encode("utf-8", "replace").decode() for each in TERMINAL.values()]
    columns = [each.translate({9: " ", 10: " ", 13: " ", 0: " "}) for each in columns]
    feed.write_text("\t".join(["id", "title\x1b[31m", "bild", *columns]) + "\n" + "\t".join(["1"] * (3 + len(columns))))
    code, out, err = run(
        "init", str(tmp_path / "made"), "--feed", str(feed), "--partner", "hansen", "--taxonomy", "own"
    )
    assert code in (0, 1)
    assert is_shown(out + err)


def test_the_traceback_of_a_fault_of_the_program_is_printable_and_without_secrets() -> None:
    text = "\x1b[2J\x1b]0;owned\x07\u202e https://user:hunter22@shop.example/feed.tsv?token=hunter22"
    code = (
        "import sys\nfrom shelfsight.cli import command\n"
        f"def faulty(): raise RuntimeError({text!r})\n"
        "command.click_command = faulty\nsys.exit(command.main(['status']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert is_shown(done.stderr)
    assert "hunter22" not in done.stderr
