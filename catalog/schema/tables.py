"""All tables of the store and all documents of the warehouse, with their columns."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from catalog.schema.classifiers import CLASSIFIERS
from catalog.schema.columns import TableDescription
from catalog.schema.dataset import DATASET
from catalog.schema.documents import DOCUMENTS
from catalog.schema.encoders import ENCODERS
from catalog.schema.evaluation import EVALUATION
from catalog.schema.ingestion import INGESTION
from catalog.schema.serving import SERVING

TABLE_DESCRIPTIONS: Mapping[str, TableDescription] = MappingProxyType(
    {**INGESTION, **DATASET, **ENCODERS, **CLASSIFIERS, **EVALUATION, **SERVING}
)
DOCUMENT_DESCRIPTIONS: Mapping[str, TableDescription] = MappingProxyType(DOCUMENTS)
