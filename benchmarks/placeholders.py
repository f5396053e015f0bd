"""Placeholders: precision and recall on real product photographs and drawn placeholders of kinds not used for tuning.

SHELFSIGHT_PHOTOGRAPHS=FOLDER SHELFSIGHT_GROCERIES=FOLDER make bench NAME=placeholders

No photograph is a placeholder. Half of them, and eight other kinds of placeholders, set the weights and limits
(`placeholders_fit`); this measures the other half, catalog images of groceries on white among them, and twenty kinds.
Photographs are shared by the variants of a product, a fifth of them by ten; placeholders are shown by 1 to 12 products.
"""

import gzip
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from io import BytesIO
from pathlib import Path
from random import Random

import numpy as np
import polars as pl
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from benchmarks.claims import Claim, at_least, figure, publish
from benchmarks.photographs import DATA, REPOSITORY
from benchmarks.placeholder_kinds import TEST_KINDS, VALIDATION_KINDS, encoded, random_size
from catalog.dataset.placeholder_list import PlaceholderList
from catalog.dataset.placeholders import PLACEHOLDER, Thresholds, find_placeholders
from catalog.dataset.thumbnails import thumbnail
from catalog.evaluation.proportions import wilson_interval
from catalog.images.decoding import decode
from catalog.images.graphics import drawn_probability, graphic_features
from catalog.images.stored_image import ImageRules, StoredImage

NUM_A_KIND = 100
CUT_OUT, CUT_OUT_EVERY = "cut out on white", 5
NUM_SMALL = 10_000  # of Fashion-MNIST
FASHION = REPOSITORY / ".data" / "fashion-mnist" / "train-images-idx3-ubyte.gz"
LEAVES, BRANCHES = 60, 12  # of the products that show placeholders
WORDS = ("lamp", "shirt", "cable", "teapot", "novel", "drill", "sofa", "perfume", "leash", "racket", "puzzle", "tent")
MIN_PRECISION, MIN_RECALL = 0.99, 0.9

Job = tuple[str, str | int | bytes]
Row = dict[str, object]


def examined(job: Job) -> Row | None:
    """Returns one image as it is stored: its set, hashes, features and thumbnail; None where it is refused."""
    source, what = job
    if isinstance(what, int):
        random = Random(f"{source} {what}")  # noqa: S311 no secret
        data = encoded((TEST_KINDS | VALIDATION_KINDS)[source](random, random_size(random)), random)
    else:
        data = what if isinstance(what, bytes) else Path(what).read_bytes()
        data = cut_out(data) if source == CUT_OUT else data
    stored = decode(data, ImageRules())
    if not isinstance(stored, StoredImage):
        return None
    with Image.open(BytesIO(stored.data)) as image:
        features, small = graphic_features(image).tolist(), thumbnail(image).tobytes()
    return {
        "source": source, "sha256": stored.sha256, "dhash": stored.dhash, "features": features, "thumbnail": small
    }  # fmt: skip


def cut_out(data: bytes) -> bytes:
    """Returns the middle of a photograph in a random round shape on white or nearly so, as catalogs show products."""
    random = Random(data)  # noqa: S311 no secret
    with Image.open(BytesIO(data)) as opened:
        image = opened.convert("RGB")
    share, tone = random.uniform(0.35, 0.9), random.choice((255, 255, 250, 243))
    width, height = (round(share * side * random.uniform(0.6, 1)) for side in image.size)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    mask = Image.new("L", image.size, 0)
    draw, box = ImageDraw.Draw(mask), (left, top, left + width, top + height)
    if random.random() < 0.5:
        draw.ellipse(box, fill=255)
    else:
        draw.rounded_rectangle(box, radius=min(width, height) * random.uniform(0, 0.5), fill=255)
    shown = Image.composite(image, Image.new("RGB", image.size, (tone, tone, tone)), mask)
    if random.random() < 0.3:  # a plain product: little texture is left
        shown = Image.composite(image.filter(ImageFilter.GaussianBlur(6)), Image.new("RGB", image.size, "white"), mask)
    buffer = BytesIO()
    shown.save(buffer, "JPEG", quality=random.randint(70, 95))
    return buffer.getvalue()


def photograph_jobs() -> Iterator[Job]:
    """Yields the photographs of clothing and groceries, and Fashion-MNIST's images where they are."""
    for name, variable in (("clothing", "SHELFSIGHT_PHOTOGRAPHS"), ("grocery", "SHELFSIGHT_GROCERIES")):
        folder = Path(os.environ.get(variable, str(DATA / name)))
        paths = sorted((folder / "images").iterdir())
        for path in paths:
            yield ("catalog images" if path.name.startswith("iconic") else name), str(path)
        for path in paths[::CUT_OUT_EVERY]:
            yield CUT_OUT, str(path)
    if FASHION.exists():
        pixels = np.frombuffer(gzip.decompress(FASHION.read_bytes()), np.uint8, offset=16).reshape(-1, 28, 28)
        for image in pixels[:NUM_SMALL]:
            buffer = BytesIO()
            Image.fromarray(image).save(buffer, "PNG")
            yield "fashion-mnist", buffer.getvalue()


def kind_jobs(kinds: Iterable[str]) -> Iterator[Job]:
    """Yields the placeholders of some kinds."""
    yield from ((kind, number) for kind in kinds for number in range(NUM_A_KIND))


def examine(jobs: Sequence[Job]) -> pl.DataFrame:
    """Examines images in processes, with the probability that each is drawn."""
    with ProcessPoolExecutor() as processes:
        rows = [row for row in processes.map(examined, jobs, chunksize=64) if row is not None]
    frame = pl.DataFrame(rows, schema_overrides={"dhash": pl.UInt64}).unique("sha256", maintain_order=True)
    features = np.array(frame["features"].to_list(), dtype=np.float32)
    return frame.with_columns(content=pl.Series(drawn_probability(features)), is_placeholder=pl.lit(value=False))


def catalog(photographs: pl.DataFrame, placeholders: pl.DataFrame, random: Random) -> pl.DataFrame:
    """Returns products that show these images: variants of one item or title, or unrelated ones."""
    rows: list[Row] = []
    for number, sha256 in enumerate(photographs["sha256"]):
        num = 10 if number % 5 == 0 else 1
        is_grouped = number % 2 == 0
        for variant in range(num):
            group, title = f"item{number}" if is_grouped else None, f"{WORDS[number % len(WORDS)]} {variant}"
            rows.append(_product(len(rows), sha256, group, title, number % LEAVES))
    for sha256 in placeholders["sha256"]:
        for _ in range(random.choice((1, 3, 5, 12))):
            word = random.choice(WORDS)
            rows.append(_product(len(rows), sha256, None, f"{word} {len(rows)}", random.randrange(LEAVES)))
    return pl.DataFrame(rows, schema_overrides={"item_group_id": pl.String, "category_id": pl.Int64})


def _product(number: int, sha256: str, group: str | None, title: str, leaf: int) -> Row:
    partner = "one" if group else f"partner{number % 5}"
    named = {"product_id": f"p{number}", "partner_id": partner, "item_group_id": group, "title": title}
    return {**named, "category_id": leaf, "delivery": "d", "shard": "s", "sha256": sha256}


def verdicts(products: pl.DataFrame, images: pl.DataFrame, *, content: bool, repetition: bool) -> pl.Series:
    """Returns True for each image that is found by the given evidence, (n,)."""
    if not repetition:
        products = products.unique("sha256", maintain_order=True)
    known: dict[str, bytes] = dict(images.select("sha256", "thumbnail").iter_rows())

    def thumbnails(rows: pl.DataFrame) -> NDArray[np.uint8]:
        return np.frombuffer(b"".join(known[each] for each in rows["sha256"]), np.uint8).reshape(-1, 32, 32)

    scores = images.select("sha256", content=pl.col("content") if content else pl.lit(0.0))
    found = find_placeholders(
        products.join(images.select("sha256", "dhash"), on="sha256"),
        scores,
        PlaceholderList({}, {}),
        branches={leaf: leaf % BRANCHES for leaf in range(LEAVES)},
        thumbnails=thumbnails,
        thresholds=Thresholds(),
    )
    return images["sha256"].is_in(found.filter(verdict=PLACEHOLDER)["sha256"].implode())


def main() -> None:
    """Examines, finds and publishes."""
    photographs = examine(list(photograph_jobs())[1::2])  # the others have set the weights
    placeholders = examine(list(kind_jobs(TEST_KINDS))).with_columns(is_placeholder=pl.lit(value=True))
    images = pl.concat([photographs, placeholders]).unique("sha256", maintain_order=True)
    products = catalog(photographs, placeholders, Random(7))  # noqa: S311 no secret
    subject = f"{len(photographs):,} photographs, {len(placeholders):,} placeholders of {len(TEST_KINDS)} kinds"
    claims: list[Claim] = []
    for name, evidence in {
        "content and repetition": (True, True),
        "content alone": (True, False),
        "repetition alone": (False, True),
    }.items():
        found = verdicts(products, images, content=evidence[0], repetition=evidence[1])
        claims += _claims(f"{subject}, {name}", images, found, products, has_bar=all(evidence))
    publish("placeholders", claims)


def _claims(
    subject: str, images: pl.DataFrame, found: pl.Series, shown: pl.DataFrame, *, has_bar: bool
) -> Iterator[Claim]:
    rows = images.with_columns(found=found)
    right, num = int((rows["found"] & rows["is_placeholder"]).sum()), int(rows["found"].sum())
    for measure, hits, of, bar in (
        ("precision", right, num, MIN_PRECISION),
        ("recall", right, int(rows["is_placeholder"].sum()), MIN_RECALL),
    ):
        low, high = wilson_interval(hits, of)
        text = f"{subject}: {measure} (95 % within {low:.4f} to {high:.4f})"
        value = hits / max(1, of)
        yield at_least(text, value, bar, "") if has_bar else figure(text, value, "")
    products = shown.filter(pl.col("sha256").is_in(rows.filter("is_placeholder")["sha256"].implode()))
    hits = int(products["sha256"].is_in(rows.filter("found")["sha256"].implode()).sum())
    yield figure(f"{subject}: recall, by the {len(products):,} products that show them", hits / len(products), "")
    for source, part in rows.group_by("source", maintain_order=True):
        hits, of = int(part["found"].sum()), len(part)
        low, high = wilson_interval(hits, of)
        what = "recall" if part["is_placeholder"][0] else f"share of {of:,} photographs taken for placeholders"
        yield figure(
            f"{subject.rsplit(', ', 1)[1]}, {source[0]}: {what} (95 % within {low:.4f} to {high:.4f})", hits / of, ""
        )


if __name__ == "__main__":
    main()
