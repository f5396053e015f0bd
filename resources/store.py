"""The store: one folder (or fsspec URL) that holds everything shelfsight makes, each at its own path.

::

    inbox/PARTNER/NAME.EXT          feed files as they arrive; a project has them beside its file
    reference/                      taxonomy files, partners.toml, placeholders.csv, business_value.csv, ...; likewise
    deliveries/KEY.json             registered deliveries: a feed file, or a part of a big one
    deliveries/parts/FEED/CONTENT/*.parquet     big feeds, converted, one file per delivery
    deliveries/served/KEY.json      deliveries of which a newer version is registered that is not served
    feed_versions/FEED/VERSION/     the verdict about a version, and the tables of former ones
    products|rejected|outcomes|images/delivery=KEY/*.parquet
    image_graphics/delivery=KEY/    placeholders/ splits/ dataset/ taxonomy/ comparison/      one table each
    encoders/NAME/ classifiers/NAME/            safetensors + JSON
    embeddings/encoder=NAME/ encoder_quality/encoder=NAME/ similarity_index/NAME/ (faiss + JSON)
    predictions/classifier=NAME/split=S/ metrics/ confusion/
    share_outcomes/encoder=NAME/share=S/ data_efficiency/
    champion/champion.json          deployment/current.json, deployment/SHA256/ (ONNX, OpenVINO, JSON)
    alerts/RUN.json                 failed runs that the webhook has not taken yet
    universal_catalog/delivery=KEY/   catalog.duckdb (views only)
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
from upath import UPath

from catalog.feeds.deliveries import Delivery
from catalog.images.outcomes import OUTCOMES_SCHEMA
from catalog.products.feed_versions import FeedVersions, served_delivery
from catalog.products.partners import PartnerSettings, read_partner, read_partners
from catalog.storage.files import is_remote, replace_file, store_path, write_parquet
from catalog.storage.tables import table_of
from catalog.taxonomy.business_value import read_business_values
from catalog.taxonomy.files import read_curated_moves, read_former_versions, read_taxonomy
from catalog.taxonomy.moves import Moves
from catalog.taxonomy.tree import Taxonomy
from resources.artifacts import local_copies
from resources.places import inbox_root, reference_root
from resources.settings import Settings

EVOLVED = {"outcomes": OUTCOMES_SCHEMA}  # a partition of an earlier version may lack columns; they are null


class Store(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Files of the platform, found by name and never by listing a folder for the newest one."""

    root: str
    inbox_root: str = ""  # empty: in the store
    reference_root: str = ""

    @classmethod
    def of(cls, settings: Settings) -> "Store":
        """Returns the store that the settings name, with the places of its feeds and reference data."""
        return cls(root=settings.root, inbox_root=inbox_root(settings), reference_root=reference_root(settings))

    @property
    def path(self) -> UPath:
        """The root itself."""
        return store_path(self.root)

    # -- folders of this machine ------------------------------------------------------------------------------------

    @property
    def local(self) -> Path:
        """The root as a local folder; ValueError where the store is remote."""
        if is_remote(self.root):
            raise ValueError(f"store {self.root!r} is remote; this step needs a local SHELFSIGHT_STORE")
        return self.scratch

    @property
    def scratch(self) -> Path:
        """A local folder with the store's layout, for what only this machine needs: caches, checkpoints, ledgers.

        It is the store itself where that is a local folder.
        """
        return local_copies.scratch(self.root)

    def sync_down(self, *parts: str) -> Path:
        """Returns a folder of the store for libraries that read files by path: itself, or an up-to-date local copy."""
        return local_copies.sync_down(self.root, *parts)

    @contextmanager
    def writing(self, *parts: str) -> Iterator[Path]:
        """Yields a local folder for libraries that write files by path, and uploads it when the block succeeds.

        Of a local store it is the folder itself. If the block raises, a remote store stays unchanged.
        """
        folder = self.scratch.joinpath(*parts)
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
        local_copies.sync_up(self.root, *parts)

    # -- tables ---------------------------------------------------------------------------------------------------

    def folder(self, table: str, *partition: str) -> UPath:
        """The folder of a table, or of one of its partitions; an unknown table raises ValueError."""
        return self.path / table_of(table).folder(*partition)

    def write(self, frame: pl.DataFrame, table: str, *partition: str) -> UPath:
        """Replace a table, or one partition of it, by these rows."""
        path = self.folder(table, *partition) / "data.parquet"
        write_parquet(frame, path)
        return path

    def partitions(self, table: str) -> list[str]:
        """The outermost keys of the partitions that a table has, in order."""
        key = table_of(table).keys[0]
        return sorted(path.name.removeprefix(f"{key}=") for path in self.folder(table).glob(f"{key}=*"))

    def holds(self, table: str, *partition: str) -> bool:
        """Returns True if a table, or one partition of it, has a file."""
        return any(self.folder(table, *partition).glob("*.parquet"))

    def scan(self, table: str, partitions: Sequence[str] | None = None) -> pl.LazyFrame:
        """A table, or those of the named partitions that exist, to be read lazily.

        Raises FileNotFoundError naming the asset to materialize when there is nothing to read.
        """
        keys = table_of(table).keys
        if partitions is None:
            files = sorted(self.path.glob(table_of(table).files))
        else:
            files = [file for name in partitions for file in sorted(self.folder(table, name).glob("*.parquet"))]
        if not files:
            wanted = "" if partitions is None else f" for {', '.join(partitions) or 'no partition'}"
            raise FileNotFoundError(f"table {table!r} is empty{wanted}; materialize the asset {table!r} first")
        return pl.scan_parquet(
            [str(file) for file in files],
            glob=False,  # a folder may be called "spring [old]"
            schema=EVOLVED.get(table),
            missing_columns="insert" if table in EVOLVED else "raise",
            extra_columns="ignore" if table in EVOLVED else "raise",
            hive_partitioning=bool(keys),
            hive_schema=dict.fromkeys(keys, pl.String) if keys else None,
        )

    def predictions(self, classifier: str) -> pl.DataFrame:
        """One classifier's predictions on all splits; FileNotFoundError if it has none."""
        files = sorted(self.folder("predictions", classifier).glob("split=*/data.parquet"))
        if not files:
            raise FileNotFoundError(
                f"classifier {classifier!r} has no predictions; materialize predictions[{classifier}]"
            )
        return pl.read_parquet([str(file) for file in files], glob=False, hive_partitioning=False)

    # -- records --------------------------------------------------------------------------------------------------

    def write_json(self, record: Mapping[str, Any], *parts: str) -> None:
        """Replace a small JSON record, atomically."""
        with replace_file(self.path.joinpath(*parts)) as file:
            file.write(json.dumps(record, indent=2, sort_keys=True).encode())

    def read_json(self, *parts: str) -> dict[str, Any] | None:
        """Reads a small JSON record; returns None if it does not exist."""
        path = self.path.joinpath(*parts)
        return json.loads(path.read_text()) if path.exists() else None

    def fingerprint(self, kind: str, name: str) -> str:
        """The SHA-256 that an encoder's or a classifier's record carries; FileNotFoundError if there is none."""
        record = self.read_json(kind, name, f"{kind.removesuffix('s')}.json")
        if record is None:
            raise FileNotFoundError(f"{kind}/{name} is not in the store; materialize {kind}[{name}] first")
        return str(record["sha256"])

    # -- reference data and deliveries ------------------------------------------------------------------------------

    @property
    def inbox(self) -> UPath:
        """The folder in which feed files arrive, one subfolder per partner."""
        return store_path(self.inbox_root) if self.inbox_root else self.path / "inbox"

    @property
    def reference(self) -> UPath:
        """The folder of hand-edited files: taxonomy, partners' settings and business values."""
        return store_path(self.reference_root) if self.reference_root else self.path / "reference"

    def taxonomy(self) -> Taxonomy:
        """The taxonomy of all predictions: Google's, extended, in every language that has a file."""
        return read_taxonomy(self.reference)

    def taxonomy_moves(self, taxonomy: Taxonomy) -> Moves:
        """The moves of categories from the former versions in reference/previous/ to the taxonomy."""
        return Moves(read_former_versions(self.reference), taxonomy, read_curated_moves(self.reference, taxonomy))

    def category_names(self) -> dict[int, str]:
        """The short name of every category, by id."""
        nodes = self.scan("taxonomy").select("category_id", "name").collect()
        return dict(nodes.iter_rows())

    def partner(self, partner_id: str) -> PartnerSettings:
        """One partner's settings; an unknown partner raises an error that lists the known ones."""
        return read_partner(self.reference, partner_id)

    def partners(self) -> list[PartnerSettings]:
        """All partners' settings, in the order of their names."""
        return read_partners(self.reference)

    def golden_partners(self) -> set[str]:
        """The partners whose deliveries are golden: used for evaluation, never for training."""
        return {partner.partner_id for partner in self.partners() if partner.golden}

    def partner_splits(self) -> dict[str, str]:
        """The split of each partner that has one of its own, `golden` of a golden one."""
        splits = {partner.partner_id: "golden" if partner.golden else partner.split for partner in self.partners()}
        return {partner: split for partner, split in splits.items() if split}

    def business_values(self, taxonomy: Taxonomy) -> dict[int, float]:
        """Units sold by leaf."""
        return read_business_values(self.reference / "business_value.csv", taxonomy)

    @property
    def delivery_records(self) -> UPath:
        """The folder of the registered deliveries' records."""
        return self.path / "deliveries"

    def delivery_keys(self) -> list[str]:
        """The keys of all registered deliveries, in order."""
        return sorted(path.name.removesuffix(".json") for path in self.delivery_records.glob("*.json"))

    def deliveries(self, keys: Sequence[str]) -> list[Delivery]:
        """These deliveries' records as they were registered last, oldest first."""
        records = [Delivery.load(self.delivery_records, key) for key in keys]
        return sorted(records, key=lambda record: (record.received_at, record.key))

    def served_deliveries(self, keys: Sequence[str]) -> list[Delivery]:
        """These deliveries' records of the versions whose products are served, oldest first."""
        records = [served_delivery(self.delivery_records, key) for key in keys]
        return sorted(records, key=lambda record: (record.received_at, record.key))

    def feed_versions(self, delivery_key: str) -> FeedVersions:
        """The versions of the feed that a delivery is, or is a part of."""
        return FeedVersions.of(self.path, delivery_key)
