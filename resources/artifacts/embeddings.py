"""Stored embeddings: the embeddings of all images by one encoder, in the version that is in the store."""

from collections.abc import Iterator

import numpy as np
import polars as pl
import pyarrow.parquet as pq
from numpy.typing import NDArray

from resources.store import Store

BATCH_ROWS = 16_384
Vectors = NDArray[np.float32]


class StoredEmbeddings:
    """The table of one encoder's embeddings; the order of its rows changes only when it is rewritten.

    Raises:
        FileNotFoundError: the encoder is not in the store.
        ValueError: it has no embeddings, or they are of another version of it.
    """

    def __init__(self, store: Store, encoder: str) -> None:
        self.encoder_sha256 = store.fingerprint("encoders", encoder)
        record = store.read_json("embeddings", f"encoder={encoder}", "embeddings.json") or {}
        if record.get("encoder_sha256") != self.encoder_sha256:
            raise ValueError(
                f"embeddings of encoder {encoder!r} are missing or of an older version of it; "
                f"materialize embeddings[{encoder}]"
            )
        self.version = str(record["version"])
        self._encoder, self._path = encoder, store.folder("embeddings", encoder) / "data.parquet"
        self.rows = store.scan("embeddings", [encoder])

    def of(self, products: pl.DataFrame) -> Vectors:
        """Returns embeddings (num, dim) of these products (column product_id), in their order.

        Raises:
            ValueError: a product has no embedding.
        """
        stored = self.rows.select("product_id", "embedding")
        wanted = products.lazy().select("product_id")
        found = wanted.join(stored, on="product_id", how="left", maintain_order="left").collect()
        if missing := found["embedding"].null_count():
            raise ValueError(
                f"embeddings of encoder {self._encoder!r} lack {missing} images; "
                f"materialize embeddings[{self._encoder}]"
            )
        return found["embedding"].to_numpy(writable=True)

    def shape(self) -> tuple[int, int]:
        """The number of embeddings and their dimension."""
        dtype = self.rows.collect_schema()["embedding"]
        assert isinstance(dtype, pl.Array)  # noqa: S101 as the asset writes it
        return self.rows.select(pl.len()).collect().item(), dtype.shape[0]

    def batches(self) -> Iterator[Vectors]:
        """Yields all embeddings in the order of the rows, in batches (num, dim) of bounded size."""
        with self._path.open("rb") as file:
            table = pq.ParquetFile(file, pre_buffer=False)
            for group in range(table.num_row_groups):  # one at a time: prefetched groups stay in memory
                for batch in table.iter_batches(BATCH_ROWS, row_groups=[group], columns=["embedding"]):
                    vectors = batch.column(0)
                    yield vectors.flatten().to_numpy().reshape(len(vectors), -1)

    def products_at(self, positions: NDArray[np.int64]) -> pl.DataFrame:
        """Returns the products at these rows, in the order of `positions` (num,): product_id, sha256 of the image."""
        wanted = pl.DataFrame({"position": positions}, schema={"position": pl.UInt32})
        stored = self.rows.select("product_id", "sha256").with_row_index("position")
        return wanted.lazy().join(stored, on="position", how="left", maintain_order="left").drop("position").collect()
