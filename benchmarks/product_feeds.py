"""Product feeds of any size for the benchmark: realistic attributes, and one row in a hundred that is faulty."""

from pathlib import Path

import numpy as np
import polars as pl

ROWS_PER_PART = 500_000
FAULTY_SHARE = 0.01
TEXT = """
linen cotton wool leather slim wide long short striped plain winter summer rain garden office travel shirt coat boot
sandal skirt dress belt scarf glove hat jacket trousers jumper blouse für größe añil été naïve
"""
WORDS = np.array(TEXT.split())
HEADER = (
    *("id", "title", "description", "link", "image_link", "additional_image_link", "google_product_category"),
    *("product_type", "brand", "price", "availability", "gtin", "item_group_id"),
)


def part(first: int, num_rows: int, seed: int = 5) -> pl.DataFrame:
    """Rows `first` to `first + num_rows - 1` of the feed, all of them good, as text columns named by `HEADER`."""
    dice = np.random.default_rng([seed, first])
    numbers = pl.Series(np.arange(first, first + num_rows))

    def words(num: int) -> pl.Expr:
        columns = [pl.Series(WORDS[dice.integers(0, len(WORDS), num_rows)]).alias(f"w{n}") for n in range(num)]
        return pl.concat_str([pl.lit(column) for column in columns], separator=" ")

    amounts = pl.Series(dice.integers(199, 39_999, num_rows))
    return pl.select(
        id=pl.format("SKU-{}", numbers),
        title=words(6),
        description=words(30),
        link=pl.format("https://shop{}.example/item/{}", numbers % 40, numbers),
        image_link=pl.format("https://images{}.example/p/{}-front.jpg", numbers % 40, numbers),
        additional_image_link=pl.format("https://images.example/p/{}-back.jpg", numbers),
        google_product_category=pl.Series(dice.integers(1, 12, num_rows)).cast(pl.String),
        product_type=words(2),
        brand=words(1),
        price=pl.format("{}.{} EUR", amounts // 100, pl.Series(dice.integers(10, 99, num_rows))),
        availability=pl.lit("in_stock"),
        gtin=pl.lit("4006381333931"),
        item_group_id=pl.format("G{}", numbers // 4),
    )


def write_parquet(path: Path, num_rows: int) -> None:
    """The feed as Parquet, its faulty rows without an id."""
    import pyarrow.parquet as pq

    writer = None
    for first in range(0, num_rows, ROWS_PER_PART):
        rows = part(first, min(ROWS_PER_PART, num_rows - first))
        is_faulty = pl.int_range(pl.len()) % round(1 / FAULTY_SHARE) == 7
        table = rows.with_columns(pl.when(~is_faulty).then(pl.col("id")).alias("id")).to_arrow()
        writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
        writer.write_table(table, row_group_size=100_000)
    if writer is not None:
        writer.close()


def write_tsv(path: Path, num_rows: int) -> None:
    """The feed as Merchant TSV; faulty rows have a field too few, no id, quotes that mean inches, or bad UTF-8."""
    with path.open("wb") as file:
        file.write("\t".join(HEADER).encode() + b"\n")
        for first in range(0, num_rows, ROWS_PER_PART):
            rows = part(first, min(ROWS_PER_PART, num_rows - first))
            lines = rows.write_csv(separator="\t", include_header=False, quote_style="never").encode().split(b"\n")[:-1]
            for place in range(7, len(lines), round(1 / FAULTY_SHARE)):
                lines[place] = _faulty(lines[place], place // 100 % 4)
            file.write(b"\n".join(lines) + b"\n")


def _faulty(line: bytes, kind: int) -> bytes:
    if kind == 0:
        return line.rpartition(b"\t")[0]
    if kind == 1:
        return line[line.index(b"\t") :]
    if kind == 2:
        return line.replace(b" ", b' 24" ', 1)
    return line.replace(b" ", b" \xff ", 1)
