"""Dagster and MLflow on a real PostgreSQL: what one process wrote another reads, also after the server's SIGKILL."""

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from catalog_assets.definitions import definitions
from catalog_assets.flow import register_arrivals
from demo.shop import Shop
from resources.mlflow.tracking import Tracking
from resources.settings import Settings
from resources.store import Store
from tests.catalog.images.sample_images import jpeg
from tests.conftest import REPOSITORY
from tests.production.postgres import Postgres

pytestmark = pytest.mark.end_to_end

DELIVERY = "hansen.spring"
NUM_PRODUCTS, KILLED_AT = 30, 10
# Dagster's command, which tries to connect as often as ever, but soon: a server that is killed stays away.
DAGSTER = """
import dagster_postgres.utils
from dagster._cli import main
dagster_postgres.utils.calculate_delay  # raises where a new version of Dagster has renamed it
dagster_postgres.utils.calculate_delay = lambda **_: 0.05
main()
"""
STARTED, CANCELED, SUCCESS = (dg.DagsterRunStatus[name] for name in ("STARTED", "CANCELED", "SUCCESS"))


def settle(root: Path, shop_url: str = "http://127.0.0.1:9") -> Store:
    """A store with a taxonomy and one feed, whose images are at the shop."""
    (root / "reference").mkdir(parents=True)
    (root / "reference/taxonomy.txt").write_text("# Google_Product_Taxonomy_Version: 2021-09-21\n1 - Clothing\n")
    (root / "reference/partners.toml").write_text("[partners.hansen]\n")
    (root / "inbox/hansen").mkdir(parents=True)
    rows = [f"{n}\tthing {n}\t{shop_url}/p/{n}.jpg\t1\n" for n in range(NUM_PRODUCTS)]
    (root / "inbox/hansen/spring.tsv").write_text("id\ttitle\timage_link\tgoogle_product_category\n" + "".join(rows))
    return Store(root=str(root))


def dagster(root: Path, *command: str) -> "subprocess.CompletedProcess[str]":
    """A command of Dagster's over the store, in a process of its own."""
    environment = {**os.environ, "SHELFSIGHT_STORE": str(root), "SHELFSIGHT_ALLOWED_NETWORKS": "127.0.0.1/32"}
    return subprocess.run(
        [sys.executable, "-c", DAGSTER, *command, "-m", "catalog_assets.definitions"],
        check=False,
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
    )


def ingest(root: Path) -> "subprocess.CompletedProcess[str]":
    """Take the delivery and download its images."""
    selection = "feed_comparison,products,rejected,images,outcomes"
    return dagster(root, "asset", "materialize", "--select", selection, "--partition", DELIVERY)


def num_made(instance: dg.DagsterInstance, asset: str) -> int:
    """Returns the number of materializations of an asset."""
    return len(instance.fetch_materializations(dg.AssetKey(asset), limit=100).records)


def runs_of_the_delivery(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    return list(reversed(instance.get_runs(dg.RunsFilter(tags={"dagster/partition": DELIVERY}))))


def give_up(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    """Terminates a run whose process is gone, and frees its pools' slots as the daemon does."""
    instance.report_run_canceled(run)  # "Force termination", on its page
    instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)


def test_a_second_instance_reads_runs_events_partitions_and_cursors(home: Path, tmp_path: Path) -> None:
    store = settle(tmp_path / "store")
    with dg.DagsterInstance.from_config(str(home)) as first:
        assert register_arrivals(store, first) == []
        run = definitions(Settings.read(store=store.root)).resolve_job_def("prepare").execute_in_process(instance=first)
    output = dagster(store.local, "sensor", "cursor", "feed_sensor", "--set", '{"seen": 1}')
    assert output.returncode == 0, output.stderr
    with dg.DagsterInstance.from_config(str(home)) as second:
        ended = second.all_logs(run.run_id, dg.DagsterEventType.STEP_SUCCESS)
        assert [each.step_key for each in ended] == [
            "taxonomy",
            "taxonomy_moves",
            "taxonomy_moves_ids_mean_what_they_meant",
        ]
        assert [each.status for each in second.get_runs()] == [SUCCESS]
        assert [num_made(second, asset) for asset in ("taxonomy", "taxonomy_moves")] == [1, 1]
        assert second.get_dynamic_partitions("deliveries") == [DELIVERY]
        [sensor] = second.all_instigator_state()
        assert (sensor.instigator_name, sensor.instigator_data.cursor) == ("feed_sensor", '{"seen": 1}')  # type: ignore[union-attr]
    assert not list(home.rglob("*.db"))  # nothing went to SQLite


def test_an_instance_shows_the_source_of_its_password_not_the_password(
    home: Path, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = postgres.url("dagster").replace("@", f":{postgres.password}@")
    monkeypatch.setenv("SHELFSIGHT_POSTGRES_URL", address)
    monkeypatch.delenv("PGPASSWORD")
    with dg.DagsterInstance.from_config(str(home)) as instance:
        output = instance.info_str() + str(instance.get_ref().to_dict())  # the latter goes to every process of a run
    assert "SHELFSIGHT_POSTGRES_URL" in output
    assert postgres.password not in output


def test_runs_and_models_are_tracked(home: Path, postgres: Postgres, tmp_path: Path) -> None:
    from mlflow.exceptions import MlflowException

    tracking = Tracking(uri=postgres.url("mlflow"), artifacts=str(tmp_path / "artifacts"))
    weights = tmp_path / "weights.safetensors"
    weights.write_text("weights")

    @dg.asset
    def encoder(context: dg.AssetExecutionContext, tracking: dg.ResourceParam[Tracking]) -> dg.MaterializeResult:
        with tracking.run(context, {"backbone": "tiny"}) as run:
            run({"loss": 0.5}, step=3)
            version = tracking.register("encoder-tiny", run.run_id, [weights], {"sha256": "1"}, score=0.7)
        return dg.MaterializeResult(metadata={"run": run.run_id, "version": version})

    made = dg.materialize([encoder], resources={"tracking": tracking}).asset_materializations_for_node("encoder")
    run_id, version = (str(made[0].metadata[name].value) for name in ("run", "version"))
    postgres.kill()
    with pytest.raises(MlflowException, match=rf"connection to server at .127.0.0.1., port {postgres.port} failed"):
        tracking.client().get_run(run_id)
    postgres.start()
    client = Tracking(uri=tracking.uri, artifacts=tracking.artifacts).client()
    logged = client.get_run(run_id)
    assert (logged.info.status, logged.data.params, logged.data.metrics) == (
        "FINISHED",
        {"backbone": "tiny"},
        {"loss": 0.5},
    )
    aliased = [client.get_model_version_by_alias("encoder-tiny", alias) for alias in ("current", "best")]
    assert [str(each.version) for each in aliased] == [version, version]
    assert postgres.query("SELECT name FROM registered_models", "mlflow") == [("encoder-tiny",)]


def test_a_server_killed_in_mid_download_is_named_and_nothing_is_lost_or_counted_twice(
    home: Path, postgres: Postgres, tmp_path: Path
) -> None:
    asked = list[str]()

    def image(name: str) -> bytes:
        asked.append(name)
        if len(asked) == KILLED_AT:
            postgres.kill()
        return jpeg(40, 30, seed=int(name))

    with Shop(image, faults=lambda _: None) as shop:
        store = settle(tmp_path / "store", shop.url)
        with dg.DagsterInstance.from_config(str(home)) as instance:
            register_arrivals(store, instance)
        failed = ingest(store.local)
        assert failed.returncode != 0
        assert f'connection to server at "127.0.0.1", port {postgres.port} failed' in failed.stderr

        postgres.start()
        with dg.DagsterInstance.from_config(str(home)) as instance:
            [cut_off] = runs_of_the_delivery(instance)
            assert cut_off.status == STARTED  # whatever would have said how it ended could not be written
            assert [num_made(instance, asset) for asset in ("products", "outcomes")] == [1, 0]
            assert instance.get_dynamic_partitions("deliveries") == [DELIVERY]
            give_up(instance, cut_off)
        again = ingest(store.local)
        assert again.returncode == 0, again.stderr
    with dg.DagsterInstance.from_config(str(home)) as instance:
        assert [run.status for run in runs_of_the_delivery(instance)] == [CANCELED, SUCCESS]
        assert [num_made(instance, asset) for asset in ("products", "outcomes")] == [2, 1]
    assert sorted(asked, key=int) == [str(number) for number in range(NUM_PRODUCTS)]  # each image once
    outcomes = store.scan("outcomes", [DELIVERY]).collect()
    assert outcomes["status"].to_list() == ["ok"] * NUM_PRODUCTS
    assert outcomes["product_id"].is_unique().all()
    for text in (failed.stdout, failed.stderr, postgres.log.read_text()):
        assert postgres.password not in text
