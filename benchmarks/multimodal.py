"""Picture and title on the demo catalogue: whether both together tell at least as much as the better one alone.

make bench NAME=multimodal

The demo's shops name the class in every title, by one word out of ten in either language, so a title is worth a label
there, and what comes of the titles as they are says nothing about other shops. Therefore the word is also taken out of
a share of the titles, drawn by a hash, which leaves colour and brand. Those titles are made up too, yet there the
picture has something to add. All of it goes through the assets, as anybody's catalogue does.
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
from demo.catalogue import picture_source, write_catalogue
from demo.fashion_mnist import load
from demo.place import DATA, SEED, allow_shop
from demo.shop import Shop
from ml.text import SentenceEncoder, embed_titles, faster_precision, model_folder
from resources.compute import num_cores

NUM_PRODUCTS = 12_000
ENCODER = "imagenet-lite0"
SHARES_WITHOUT_WORD = (0.0, 0.5, 1.0)
NUM_TITLES = 4_096
WORDS = "cotton linen wool black white blue long short sleeve slim fit summer winter dress shirt boots by brand size 42"


def main() -> None:
    """Measure, print, publish."""
    with tempfile.TemporaryDirectory() as name:
        publish("multimodal", [*speed(), *quality(Path(name) / "store")])


def speed() -> Iterator[Claim]:
    """Titles a second of three to fourteen words, beside the library that the model comes from."""
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(num_cores())
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    encoder, words = SentenceEncoder(), WORDS.split()
    titles = [
        " ".join(words[(number * 7 + place * place) % len(words)] for place in range(3 + number % 12))
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
    what = f"titles of 3 to 14 words embedded in {precision}, which this device was timed to be faster in"
    rates = NUM_TITLES / ours_s, NUM_TITLES / theirs_s
    yield at_least_times(f"{what}, beside sentence-transformers in float32", *rates, 1.0, "titles/s")
    yield at_most(
        "the largest 1 - cosine between the two embeddings of a title",
        1 - float((ours * theirs).sum(axis=1).min()),
        1e-3,
        "",
    )


def quality(root: Path) -> Iterator[Claim]:
    """The demo catalogue the whole way, then the asset `multimodal` for each share of titles without the word."""
    os.environ["DAGSTER_HOME"] = str(root / "dagster")
    os.environ["SHELFSIGHT_STORE"] = str(root)
    (root / "dagster").mkdir(parents=True)
    allow_shop()
    import dagster as dg

    from catalog_assets.definitions import definitions
    from demo.flow import QUIET, Plan, bring_up_to_date, register_arrivals, stages
    from resources.store import Store

    data, store, defs = load(DATA), Store(root=str(root)), definitions(str(root))
    with dg.DagsterInstance.get() as instance:
        with Shop(picture_source(data), seed=SEED) as shop:
            write_catalogue(
                root / "inbox", root / "reference", data=data, seed=SEED, shop_url=shop.url, num_products=NUM_PRODUCTS
            )
            register_arrivals(store, instance)
            plan = stages(Plan(encoders=(ENCODER,), classifiers=()))
            upto = [stage.job for stage in plan].index("encode") + 1
            bring_up_to_date(defs, instance, plan[:upto])
        given = {key: store.scan("products", [key]).collect() for key in store.partitions("products")}
        for share in SHARES_WITHOUT_WORD:
            for delivery, products in given.items():
                store.write(without_word(products, share), "products", delivery)
            defs.resolve_job_def("titles").execute_in_process(
                instance=instance, partition_key=ENCODER, run_config=QUIET, raise_on_error=True
            )
            lines = store.scan("multimodal", [ENCODER]).collect().filter(split="golden")
            print(lines)
            yield from claims(lines, share)


def without_word(products: pl.DataFrame, share: float) -> pl.DataFrame:
    """The products, a share of their titles without the class's word, which stands before the first comma."""
    drawn = [
        int.from_bytes(blake2b(product_id.encode(), digest_size=4, person=b"title").digest(), "big") < share * 2**32
        for product_id in products["product_id"]
    ]
    return products.with_columns(
        title=pl.when(pl.Series(drawn)).then(pl.col("title").str.replace(r"^[^,]*, ", "")).otherwise("title")
    )


def claims(lines: pl.DataFrame, share: float) -> Iterator[Claim]:
    """The leads of late fusion and of the joint head over the better of picture and title, with their intervals."""
    for (fraction,), part in lines.group_by("label_fraction", maintain_order=True):
        by_inputs = {line["inputs"]: line for line in part.iter_rows(named=True)}
        where = f"demo catalogue, {share:.0%} of titles without the class's word, {fraction:.0%} of the labels"
        for name, way in (("late", "late fusion"), ("joint", "joint head")):
            line = by_inputs[name]
            top1 = ", ".join(
                f"{each} {one['top1']:.3f} ({one['low']:.3f} to {one['high']:.3f})"
                for each, one in ((each, by_inputs[each]) for each in ("picture", "title", name))
            )
            lead = f"{100 * line['over_single_low']:.1f} to {100 * line['over_single_high']:.1f}"
            what = f"{where}, golden top-1 by {top1}: {way} over the better one alone, 95 % within {lead}"
            yield at_least(what, 100 * line["over_single"], 0.0, "points")


if __name__ == "__main__":
    main()
