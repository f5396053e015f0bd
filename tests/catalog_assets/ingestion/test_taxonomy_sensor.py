"""The sensor of the taxonomy: it reads the file of a new project, once, and says where one has to be."""

import dagster as dg
import polars as pl

from catalog_assets.ingestion.taxonomy_sensor import taxonomy_sensor
from resources.store import Store


def tick(store: Store, instance: dg.DagsterInstance) -> dg.RunRequest | str:
    """The run that is requested, or the reason why there is none."""
    context = dg.build_sensor_context(instance=instance, resources={"store": store})
    result = taxonomy_sensor(context)
    if isinstance(result, dg.SkipReason):
        return str(result.skip_message)
    assert isinstance(result, dg.RunRequest)
    return result


def test_without_a_file_it_says_where_to_put_one_and_with_it_the_job_runs_once(
    store: Store, instance: dg.DagsterInstance
) -> None:
    reason = tick(store, instance)
    assert isinstance(reason, str)
    assert f"no taxonomy at '{store.reference / 'taxonomy.txt'}'; save https://" in reason
    store.local.joinpath("reference").mkdir(parents=True)
    file = store.local / "reference" / "taxonomy.txt"
    file.write_text("nothing\n")
    assert "is not a category" in str(tick(store, instance))
    file.write_text("1 - Clothing\n")
    first, again = tick(store, instance), tick(store, instance)
    assert isinstance(first, dg.RunRequest)
    assert isinstance(again, dg.RunRequest)
    assert first.run_key == again.run_key  # so that Dagster starts one
    store.write(store.taxonomy().table(), "taxonomy")
    assert "the taxonomy is read" in str(tick(store, instance))


def test_a_replaced_file_waits_for_a_person(store: Store, instance: dg.DagsterInstance) -> None:
    store.write(pl.DataFrame({"category_id": [1]}), "taxonomy")
    store.local.joinpath("reference").mkdir(parents=True)
    (store.local / "reference" / "taxonomy.txt").write_text("2 - Shoes\n")
    assert "after replacing its file run the job 'prepare'" in str(tick(store, instance))
