"""The store: one folder (or fsspec URL) that holds everything shelfsight makes, each thing at a place of its own.

::

    inbox/PARTNER/NAME.EXT          feed files as they arrive
    reference/                      taxonomy files, partners.toml, product-type mappings, business_value.csv
    deliveries/KEY.json             what was registered: a feed file, or a slice of a big one
    products|rejected|outcomes|images/delivery=KEY/*.parquet
    dataset/ taxonomy/ comparison/  one table each
    encoders/NAME/ classifiers/NAME/            safetensors + JSON
    embeddings/encoder=NAME/ encoder_quality/encoder=NAME/ similarity_index/NAME/ (faiss + JSON)
    predictions/classifier=NAME/split=S/ metrics/ confusion/
    share_outcomes/encoder=NAME/share=S/ data_efficiency/
    champion/champion.json          deployment/current.json, deployment/SHA256/ (ONNX, OpenVINO, JSON)
    universal_catalogue/delivery=KEY/   catalog.duckdb (views only)
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
from upath import UPath

from catalog.business_value import read_business_values
from catalog.deliveries import Delivery
from catalog.files import is_remote, place, replace_file, write_parquet
from catalog.partners import PartnerSettings, read_partner, read_partners
from catalog.tables import table_of
from catalog.taxonomy import Taxonomy
from catalog.taxonomy_files import read_curated, read_former, read_taxonomy
from catalog.taxonomy_moves import Moves
from resources import mirror


class Store(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Files of the platform, found by name and never by listing a folder for the newest one."""

    root: str

    @property
    def path(self) -> UPath:
        """The root itself."""
        return place(self.root)

    # -- folders of this machine ------------------------------------------------------------------------------------

    @property
    def local(self) -> Path:
        """The root as a local folder; ValueError for what only works locally on a remote store."""
        if is_remote(self.root):
            raise ValueError(f"store {self.root!r} is remote; this step needs a local SHELFSIGHT_STORE")
        return self.scratch

    @property
    def scratch(self) -> Path:
        """What `resources.mirror.scratch` gives: the store's layout on this machine."""
        return mirror.scratch(self.root)

    def here(self, *parts: str) -> Path:
        """A folder of the store for what reads files by their path: itself, or a copy that was brought up to date."""
        return mirror.here(self.root, *parts)

    def put_back(self, *parts: str) -> None:
        """Carry what was written into such a folder of `scratch` to the store, where that lies elsewhere."""
        mirror.put_back(self.root, *parts)

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
        """Whether a table, or one partition of it, was ever written."""
        return any(self.folder(table, *partition).glob("*.parquet"))

    def scan(self, table: str, partitions: Sequence[str] | None = None) -> pl.LazyFrame:
        """A table, or those of the named partitions that exist, to be read lazily.

        Raises FileNotFoundError naming the asset to materialise when there is nothing to read.
        """
        keys = table_of(table).keys
        if partitions is None:
            files = sorted(self.path.glob(table_of(table).files))
        else:
            files = [file for name in partitions for file in sorted(self.folder(table, name).glob("*.parquet"))]
        if not files:
            wanted = "" if partitions is None else f" for {', '.join(partitions) or 'no partition'}"
            raise FileNotFoundError(f"table {table!r} is empty{wanted}; materialise the asset {table!r} first")
        return pl.scan_parquet(
            [str(file) for file in files],
            glob=False,  # a folder may be called "spring [old]"
            hive_partitioning=bool(keys),
            hive_schema=dict.fromkeys(keys, pl.String) if keys else None,
        )

    def predictions(self, classifier: str) -> pl.DataFrame:
        """One classifier's predictions on all splits; FileNotFoundError where it has predicted nothing."""
        files = sorted(self.folder("predictions", classifier).glob("split=*/data.parquet"))
        if not files:
            raise FileNotFoundError(
                f"classifier {classifier!r} has no predictions; materialise predictions[{classifier}]"
            )
        return pl.read_parquet([str(file) for file in files], glob=False, hive_partitioning=False)

    # -- records --------------------------------------------------------------------------------------------------

    def write_json(self, record: Mapping[str, Any], *parts: str) -> None:
        """Replace a small JSON record, atomically."""
        with replace_file(self.path.joinpath(*parts)) as file:
            file.write(json.dumps(record, indent=2, sort_keys=True).encode())

    def read_json(self, *parts: str) -> dict[str, Any] | None:
        """A small JSON record, or None where it was never written."""
        path = self.path.joinpath(*parts)
        return json.loads(path.read_text()) if path.exists() else None

    def fingerprint(self, kind: str, name: str) -> str:
        """The SHA-256 that an encoder's or a classifier's record carries; FileNotFoundError where it was never made."""
        record = self.read_json(kind, name, f"{kind.removesuffix('s')}.json")
        if record is None:
            raise FileNotFoundError(f"{kind}/{name} is not in the store; materialise {kind}[{name}] first")
        return str(record["sha256"])

    # -- reference data and deliveries ------------------------------------------------------------------------------

    @property
    def inbox(self) -> UPath:
        """Where partners' feed files arrive, one folder a partner."""
        return self.path / "inbox"

    @property
    def reference(self) -> UPath:
        """Taxonomy, partners' settings and business values: what people keep by hand."""
        return self.path / "reference"

    def taxonomy(self) -> Taxonomy:
        """The taxonomy onto which everything is classified: Google's, extended, in every language at hand."""
        return read_taxonomy(self.reference)

    def taxonomy_moves(self, taxonomy: Taxonomy) -> Moves:
        """Where labels of the former versions in reference/previous/ belong in the taxonomy."""
        return Moves(read_former(self.reference), taxonomy, read_curated(self.reference, taxonomy))

    def category_names(self) -> dict[int, str]:
        """The short name of every category, by id."""
        nodes = self.scan("taxonomy").select("category_id", "name").collect()
        return dict(nodes.iter_rows())

    def partner(self, partner_id: str) -> PartnerSettings:
        """One partner's settings; an unknown partner raises an error that lists the known ones."""
        return read_partner(self.reference, partner_id)

    def golden_partners(self) -> set[str]:
        """The partners whose deliveries are golden: judged on, never trained on."""
        return {partner.partner_id for partner in read_partners(self.reference) if partner.golden}

    def business_values(self, taxonomy: Taxonomy) -> dict[int, float]:
        """Units sold by leaf."""
        return read_business_values(self.reference / "business_value.csv", taxonomy)

    @property
    def delivery_records(self) -> UPath:
        """The folder of the registered deliveries' records."""
        return self.path / "deliveries"

    def deliveries(self, keys: Sequence[str]) -> list[Delivery]:
        """These deliveries' records, oldest first."""
        records = [Delivery.load(self.delivery_records, key) for key in keys]
        return sorted(records, key=lambda record: (record.received_at, record.key))
