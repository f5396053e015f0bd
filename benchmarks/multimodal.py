"""Image and title on the demo catalog: accuracy of both together, compared with the better one alone.

make bench NAME=multimodal

The demo's shops name the class in every title, by one word out of ten in either language, so there a title is as good
as a label, and the result with unchanged titles says nothing about other shops. Therefore the word is also removed from
a share of the titles, drawn by a hash, which leaves color and brand. Those titles are invented, too, but the image adds
information to them. Everything is computed by the assets, as for any catalog.
"""

import os
import tempfile
import time
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path

import polars as pl
import torch

from benchmarks.claims import Claim, at_least, at_least_times, at_most, publish
from catalog.storage.cores import num_cores
from demo.catalog import image_source, write_catalog
from demo.fashion_mnist import load
from demo.settings import DATA, SEED, allow_shop
from demo.shop import Shop
from ml.encoders.text_encoder import SentenceEncoder, embed_titles, faster_precision, model_folder
from resources.settings import Settings

NUM_PRODUCTS = 12_000
ENCODER = "imagenet-lite0"
SHARES_WITHOUT_WORD = (0.0, 0.5, 1.0)
NUM_TITLES = 4_096
WORDS = "cotton linen wool black white blue long short sleeve slim fit summer winter dress shirt boots by brand size 42"


def main() -> None:
    """Measures, prints and publishes."""
    with tempfile.TemporaryDirectory() as name:
        publish("multimodal", [*speed(), *quality(Path(name) / "store")])


def speed() -> Iterator[Claim]:
    """Measures titles of three to fourteen words per second, compared with the library of the model."""
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(num_cores())
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    encoder, words = SentenceEncoder(), WORDS.split()
    titles = [
        " ".join(words[(number * 7 + position * position) % len(words)] for position in range(3 + number % 12))
        for number in range(NUM_TITLES)
    ]
    precision = faster_precision(encoder, device)
    started = time.perf_counter()
    [ours] = embed_titles(encoder, titles, device, precision)
    ours_s = time.perf_counter() - started
    library = SentenceTransformer(str(model_folder()), device=device.type, local_files_only=True)
    started = time.perf_counter()
    theirs = library.encode(titles, batch_size=64)
    theirs_s = time.perf_counter() - started
    subject = f"titles of 3 to 14 words embedded in {precision}, the faster precision on this device"
    rates = NUM_TITLES / ours_s, NUM_TITLES / theirs_s
    yield at_least_times(f"{subject}, beside sentence-transformers in float32", *rates, 1.0, "titles/s")
    yield at_most(
        "the largest 1 - cosine between the two embeddings of a title",
        1 - float((ours * theirs).sum(axis=1).min()),
        1e-3,
        "",
    )


def quality(root: Path) -> Iterator[Claim]:
    """Runs the demo catalog, then the asset `multimodal` for each share of titles without the word."""
    os.environ["DAGSTER_HOME"] = str(root / "dagster")
    os.environ["SHELFSIGHT_STORE"] = str(root)
    (root / "dagster").mkdir(parents=True)
    allow_shop()
    import dagster as dg

    from catalog_assets.definitions import definitions
    from catalog_assets.flow import QUIET, register_arrivals, run_jobs
    from catalog_assets.plan import Plan
    from resources.store import Store

    data, store, defs = load(DATA), Store(root=str(root)), definitions(Settings.read(store=str(root)))
    with dg.DagsterInstance.get() as instance:
        with Shop(image_source(data), seed=SEED) as shop:
            write_catalog(
                root / "inbox", root / "reference", data=data, seed=SEED, shop_url=shop.url, num_products=NUM_PRODUCTS
            )
            register_arrivals(store, instance)
            run_jobs(defs, instance, ("prepare", "ingest", "assemble", "encode"), Plan(encoders=(ENCODER,)))
        original = {key: store.scan("products", [key]).collect() for key in store.partitions("products")}
        for share in SHARES_WITHOUT_WORD:
            for delivery, products in original.items():
                store.write(without_word(products, share), "products", delivery)
            defs.resolve_job_def("titles").execute_in_process(
                instance=instance, partition_key=ENCODER, run_config=QUIET, raise_on_error=True
            )
            records = store.scan("multimodal", [ENCODER]).collect().filter(split="golden")
            print(records)
            yield from claims(records, share)


def without_word(products: pl.DataFrame, share: float) -> pl.DataFrame:
    """Removes the class's word, which precedes the first comma, from a share of the titles."""
    drawn = [
        int.from_bytes(blake2b(product_id.encode(), digest_size=4, person=b"title").digest(), "big") < share * 2**32
        for product_id in products["product_id"]
    ]
    return products.with_columns(
        title=pl.when(pl.Series(drawn)).then(pl.col("title").str.replace(r"^[^,]*, ", "")).otherwise("title")
    )


def claims(records: pl.DataFrame, share: float) -> Iterator[Claim]:
    """Returns the gains of late fusion and of the joint head over the better single input, with intervals."""
    for (fraction,), part in records.group_by("label_fraction", maintain_order=True):
        by_inputs = {record["inputs"]: record for record in part.iter_rows(named=True)}
        where = f"demo catalog, {share:.0%} of titles without the class name, {fraction:.0%} of the labels"
        for name, method in (("late", "late fusion"), ("joint", "the joint head")):
            record = by_inputs[name]
            top1 = ", ".join(
                f"{each} {one['top1']:.3f} ({one['low']:.3f} to {one['high']:.3f})"
                for each, one in ((each, by_inputs[each]) for each in ("image", "title", name))
            )
            lead = f"{100 * record['gain_over_single_low']:.1f} to {100 * record['gain_over_single_high']:.1f}"
            subject = (
                f"{where}, golden top-1 by {top1}: gain of {method} over the better single input, 95 % within {lead}"
            )
            yield at_least(subject, 100 * record["gain_over_single"], 0.0, "points")


if __name__ == "__main__":
    main()
