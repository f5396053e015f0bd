"""Tables of the ingestion: taxonomy, products, downloads and samples of links."""

from __future__ import annotations

import polars as pl

from catalog.images.outcomes import OUTCOMES_SCHEMA
from catalog.images.shard_files import IMAGES_SCHEMA
from catalog.probe.probing import PROBE_SCHEMA
from catalog.products.freshness import FRESHNESS_SCHEMA
from catalog.products.parsing import PRODUCTS_SCHEMA, REJECTED_SCHEMA
from catalog.products.redelivery import REMOVED_AT, REMOVED_AT_TYPE
from catalog.schema.columns import TableDescription, columns, flag, integer, text
from catalog.taxonomy.moves import MOVES_SCHEMA

_STORED_IMAGES_SCHEMA = pl.DataFrame(pl.from_arrow(IMAGES_SCHEMA.empty_table())).schema

_PROBE_COLUMNS = columns(
    PROBE_SCHEMA,
    delivery="Delivery of the sampled product.",
    product_id="Sampled product.",
    partner_id="Its partner.",
    image_url="Requested link.",
    host="Host of the link, or `no valid link`.",
    shop="Host, or `other hosts` where it has few links of the sample.",
    stratum="Stratum that the link was drawn from: partner and shop.",
    stratum_size="Links in the stratum.",
    weight="Links that this one represents.",
    status="Result of the request, one of the statuses of `outcomes`.",
    http_status="HTTP status of the last response; null without one.",
    attempts="Requests made, retries included.",
    bytes_fetched="Bytes of the response body; 0 where none was kept.",
    bytes_stored="Bytes of the image as a download would store it; 0 without one.",
    duration_ms="Milliseconds on the network.",
    probed_at="Time of the request.",
)

INGESTION = {
    "taxonomy": TableDescription(
        "Categories of the current taxonomy, one row each.",
        {
            "category_id": integer("Google's id of the category, or the id of an extension."),
            "name": text("Last name of the path."),
            "path": text("Names from the root to the category, `A > B > C`."),
            "is_leaf": flag("True where no category lies below it."),
            **{
                f"level_{level}": integer(f"Ancestor at level {level}; a shorter path repeats its last category.")
                for level in range(1, 5)
            },
        },
    ),
    "taxonomy_moves": TableDescription(
        "Categories of former taxonomy versions, one row each, with their place in the current one.",
        columns(
            MOVES_SCHEMA,
            version="Former version.",
            old_id="Id in that version.",
            old_path="Path in that version.",
            was_leaf="True where it was a leaf in that version.",
            kind="Kind of the change: kept, renamed, moved, merged, split, changed or lost.",
            new_id="Successor in the current taxonomy; null where it was split, changed or lost.",
            new_path="Path of the successor.",
            ancestor_id="For split, changed and lost ones: the deepest current category that contains it.",
            candidates="Categories that may take its place: leaves of a split one, both meanings of a changed one, and "
            "similar names of a lost one.",
            reason="Reason for the kind, in words.",
        ),
    ),
    "products": TableDescription(
        "Products of a delivery, one row each, as the partner's feed describes them.",
        columns(
            {**PRODUCTS_SCHEMA, REMOVED_AT: REMOVED_AT_TYPE},
            product_id="Identifier in the catalog, `PARTNER:ITEM`.",
            partner_id="Partner that delivered it.",
            item_id="Identifier in the partner's feed.",
            title="Title; null where the feed has none.",
            description="Description.",
            image_url="Link of the main image, as written in the feed, or to the bytes that it brought.",
            additional_image_urls="Links of further images.",
            item_group_id="Partner's id of the item whose variant this is.",
            brand="Brand.",
            price="Price.",
            currency="Currency of the price, ISO 4217.",
            availability="Availability: in_stock, out_of_stock, preorder or backorder.",
            gtin="Global Trade Item Number.",
            product_type="Partner's own category.",
            color="Color, in the partner's words.",
            pattern="Pattern, in the partner's words.",
            material="Material, in the partner's words.",
            size="Size, in the partner's words.",
            gender="Gender, in the partner's words.",
            age_group="Age group, in the partner's words.",
            category_id="Label: category of the current taxonomy; null where the feed gives none.",
            category_source="Source: google_product_category, with :SPELLING if it is no id or path, product_type or "
            "moved|split|changed|lost:VERSION:ID.",
            delivery="Delivery that the row belongs to.",
            row="Number of the feed's data row, from 1.",
            removed_at="Time since when the partner's feed lacks the product; null while it has it.",
        ),
    ),
    "rejected": TableDescription(
        "Rows of a feed with a problem, one row a problem.",
        columns(
            REJECTED_SCHEMA,
            delivery="Delivery that the row belongs to.",
            row="Number of the feed's data row, from 1.",
            raw="Text of the row.",
            reason="Kind of the problem; the reference page Rejected rows explains each and has the fix.",
            detail="Problem and way out, in words.",
        ),
    ),
    "outcomes": TableDescription(
        "Results of a delivery's image downloads, one row per product.",
        columns(
            OUTCOMES_SCHEMA,
            product_id="Product.",
            image_url="Requested link; null where the feed has none.",
            status="Result: ok, or the reason why there is no image.",
            http_status="HTTP status of the last response; null without one.",
            final_url="Link after redirects.",
            attempts="Requests made, retries included.",
            bytes="Bytes of the stored image; null without one.",
            width="Width of the stored image in pixels.",
            height="Height of the stored image in pixels.",
            sha256="SHA-256 of the stored image.",
            dhash="Difference hash of the stored image, 64 bits.",
            short_side_limit_px="Setting `images.short_side_px` with which the image was stored; null: 256.",
            shard="Shard file of the stored image, named after its content; null without one.",
            etag="ETag of the response, or size and time of a file, for conditional requests.",
            last_modified="Last-Modified of the response, for conditional requests.",
            duration_ms="Milliseconds on the network.",
            fetched_at="Time at which the download ended.",
        ),
    ),
    "images": TableDescription(
        "Stored images of a delivery, one row per product.",
        columns(
            dict(_STORED_IMAGES_SCHEMA),
            product_id="Product.",
            image="JPEG, laid out as an Image column of Hugging Face datasets.",
            width="Width in pixels.",
            height="Height in pixels.",
            sha256="SHA-256 of the JPEG.",
        ),
    ),
    "download_probe": TableDescription(
        "Sampled links that a download would still fetch, requested once, one row each.", _PROBE_COLUMNS
    ),
    "link_rot": TableDescription(
        "Refetched sample of links whose image was downloaded, one row each.",
        {**_PROBE_COLUMNS, "link_state": text("State of the link now: `live`, `gone` or `unreached`.")},
    ),
    "feed_freshness": TableDescription(
        "Age of each partner's newest feed and the allowed age, one row per partner.",
        columns(
            FRESHNESS_SCHEMA,
            partner_id="Partner.",
            num_feeds="Registered feeds.",
            received_at="Time at which the newest feed was registered; null where none was.",
            age_days="Days since then.",
            max_age_days="Days allowed, by the partner's settings or the project's; null for a golden partner without.",
            is_late="True where the age is above what is allowed.",
        ),
    ),
}
