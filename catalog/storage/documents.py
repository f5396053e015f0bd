"""Documents: JSON files of the store that the warehouse shows as tables."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Documents:
    """A view over JSON files of the store, one row per file; by default with the folder's name and the whole file."""

    files: tuple[str, ...]
    columns: str = "split(filename, '/')[-2] AS name, json::VARCHAR AS description"


DOCUMENTS: dict[str, Documents] = {
    "deliveries": Documents(
        ("deliveries/*.json",),
        "json->>'key' AS delivery, array_to_string(split(json->>'key', '.')[1:2], '.') AS feed_key, "
        "json->>'feed' AS feed, "
        "coalesce(nullif(json->>'ordered_at', ''), json->>'received_at')::TIMESTAMPTZ AS received_at, "
        "json->>'sha256' AS sha256, "
        "(json->'part'->>'first_row')::BIGINT AS first_row, (json->'part'->>'num_rows')::BIGINT AS num_rows",
    ),
    "encoders": Documents(("encoders/*/encoder.json",)),
    "classifiers": Documents(("classifiers/*/classifier.json", "students/*/classifier.json")),
    "similarity_indexes": Documents(
        ("similarity_index/*/index.json",),
        "split(filename, '/')[-2] AS encoder, json->>'kind' AS kind, (json->>'num_vectors')::BIGINT AS num_vectors, "
        "(json->>'dim')::BIGINT AS dim, (json->>'bytes')::BIGINT AS bytes, "
        "(json->>'recall_at_10')::DOUBLE AS recall_at_10",
    ),
    "champion": Documents(
        ("champion/champion.json",),
        "json->>'classifier' AS classifier, json->>'split' AS split, json->>'metric' AS metric, "
        "(json->>'value')::DOUBLE AS value, (json->>'trainable_labels')::BIGINT AS trainable_labels, "
        "json->>'sha256' AS sha256, json->>'decided_on' AS decided_on, json->>'reason' AS reason, "
        "json->>'version' AS version",
    ),
}
