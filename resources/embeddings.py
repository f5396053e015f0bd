"""Stored embeddings: what one encoder, in the version that is in the store, made of every picture."""

from collections.abc import Iterator

import numpy as np
import polars as pl
import pyarrow.parquet as pq
from numpy.typing import NDArray

from resources.store import Store

ROWS_AT_ONCE = 16_384
Vectors = NDArray[np.float32]


class StoredEmbeddings:
    """The table of one encoder's embeddings; its rows keep their order until it is made again.

    Raises:
        FileNotFoundError: the encoder is not in the store.
        ValueError: it has embedded nothing, or another version of it has.
    """

    def __init__(self, store: Store, encoder: str) -> None:
        self.encoder_sha256 = store.fingerprint("encoders", encoder)
        record = store.read_json("embeddings", f"encoder={encoder}", "embeddings.json") or {}
        if record.get("encoder_sha256") != self.encoder_sha256:
            raise ValueError(
                f"embeddings of encoder {encoder!r} are missing or of an older version of it; "
                f"materialise embeddings[{encoder}]"
            )
        self.version = str(record["version"])
        self._encoder, self._path = encoder, store.folder("embeddings", encoder) / "data.parquet"
        self.rows = store.scan("embeddings", [encoder])

    def of(self, products: pl.DataFrame) -> Vectors:
        """Embeddings (num, dim) of these products (column product_id), in their order.

        Raises:
            ValueError: a product has none.
        """
        held = self.rows.select("product_id", "embedding")
        wanted = products.lazy().select("product_id")
        found = wanted.join(held, on="product_id", how="left", maintain_order="left").collect()
        if missing := found["embedding"].null_count():
            raise ValueError(
                f"embeddings of encoder {self._encoder!r} lack {missing} pictures; "
                f"materialise embeddings[{self._encoder}]"
            )
        return found["embedding"].to_numpy(writable=True)

    def shape(self) -> tuple[int, int]:
        """How many there are, and their dimension."""
        dtype = self.rows.collect_schema()["embedding"]
        assert isinstance(dtype, pl.Array)  # noqa: S101 as the asset writes it
        return self.rows.select(pl.len()).collect().item(), dtype.shape[0]

    def batches(self) -> Iterator[Vectors]:
        """All of them in the order of the rows, few enough at once that memory does not grow with the catalogue."""
        with self._path.open("rb") as file:
            table = pq.ParquetFile(file, pre_buffer=False)
            for group in range(table.num_row_groups):  # what is read ahead stays until the last batch has come
                for batch in table.iter_batches(ROWS_AT_ONCE, row_groups=[group], columns=["embedding"]):
                    vectors = batch.column(0)
                    yield vectors.flatten().to_numpy().reshape(len(vectors), -1)

    def products_at(self, positions: NDArray[np.int64]) -> pl.DataFrame:
        """Products at these rows, in the order of `positions` (num,): product_id, sha256 of the picture."""
        wanted = pl.DataFrame({"position": positions}, schema={"position": pl.UInt32})
        held = self.rows.select("product_id", "sha256").with_row_index("position")
        return wanted.lazy().join(held, on="position", how="left", maintain_order="left").drop("position").collect()
