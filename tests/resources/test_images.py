"""Pixels of stored images: mapped where they fit the budget, streamed from the shards where they do not."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from ml import pixels as ml_pixels
from ml.pixels import PixelSubset, decode_pixels
from ml.recipe_types import Fit
from ml.training.pretraining import pretrain
from resources.images import StoredImages, StreamedPixels
from resources.store import Store
from tests.conftest import TinyCatalog
from tests.ml.tiny import RESOLUTION, TINY_SIMCLR


@pytest.fixture
def store(tiny_catalog: TinyCatalog, tmp_path: Path) -> Store:
    """The tiny catalog's dataset and its images, without anything decoded."""
    for table in ("dataset", "images"):
        shutil.copytree(tiny_catalog.root / table, tmp_path / table)
    return Store(root=str(tmp_path))


@pytest.fixture
def rows(store: Store) -> pl.DataFrame:
    return store.scan("dataset").collect()


def streamed(store: Store, rows: pl.DataFrame) -> StreamedPixels:
    pixels = StoredImages(store=store, max_pixels_gib=0.0).pixels(rows, RESOLUTION, "crop")
    assert isinstance(pixels, StreamedPixels)
    return pixels


def test_streamed_pixels_are_those_of_the_mapped_array(store: Store, rows: pl.DataFrame) -> None:
    mapped = StoredImages(store=store).pixels(rows, RESOLUTION, "crop")
    assert isinstance(mapped, np.memmap)
    stream = streamed(store, rows)
    assert stream.shape == mapped.shape
    assert stream.dtype == mapped.dtype
    drawn = np.random.default_rng(0).permutation(len(rows))[:100]
    assert np.array_equal(stream[drawn], mapped[drawn])
    assert np.array_equal(stream[10:30], mapped[10:30])
    assert np.array_equal(PixelSubset(stream, drawn)[5:9], mapped[drawn[5:9]])
    assert list((store.local / "cache" / "pixels").glob("*.npy")) == [Path(mapped.filename or "")]


def test_a_pretraining_on_streamed_pixels_gives_the_same_weights(store: Store, rows: pl.DataFrame) -> None:
    chosen = np.flatnonzero((rows["split"] == "train").to_numpy())[:64]
    mapped = StoredImages(store=store).pixels(rows, RESOLUTION, "crop")
    sources = (mapped[chosen], PixelSubset(mapped, chosen), PixelSubset(streamed(store, rows), chosen))
    recipe = replace(TINY_SIMCLR, seed=3)
    first, *others = [pretrain(recipe, source, torch.device("cpu")).encoder.state_dict() for source in sources]
    for other in others:
        assert all(torch.equal(other[name], tensor) for name, tensor in first.items())


def test_a_larger_dataset_decodes_only_what_is_new(
    store: Store, rows: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored_images = StoredImages(store=store)
    earlier = rows.sample(len(rows) - 40, seed=1, shuffle=True)
    stored_images.pixels(earlier, RESOLUTION, "crop")
    decoded: list[int] = []

    def counting(data: list[bytes], resolution: int, num_threads: int, *, fit: Fit) -> np.ndarray:
        decoded.append(len(data))
        return decode_pixels(data, resolution, num_threads, fit=fit)

    monkeypatch.setattr(ml_pixels, "decode_pixels", counting)
    pixels = stored_images.pixels(rows, RESOLUTION, "crop")
    new = rows.filter(~pl.col("sha256").is_in(earlier["sha256"].implode()))
    assert sum(decoded) == len(new)
    assert np.array_equal(pixels[:], decode_pixels(stored_images.read(rows), RESOLUTION))
    assert len(list((store.local / "cache" / "pixels").iterdir())) == 2  # the array, and whose it is


def test_a_shard_rewritten_while_it_is_read_is_an_error(store: Store, rows: pl.DataFrame) -> None:
    stream = streamed(store, rows)
    for path in store.local.glob("images/*/*.parquet"):
        os.utime(path, ns=(1, 1))
    with pytest.raises(LookupError, match=r"shard-\d+-\w+.parquet was rewritten while its images were read; start"):
        stream[np.arange(3)]
