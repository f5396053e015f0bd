"""Shard images: the bytes of one image by its delivery and shard, straight from the Parquet file."""

from dataclasses import dataclass

from resources.store import Store


@dataclass(frozen=True)
class ShardImages:
    """Reads images of a store's shards."""

    store: Store
