"""Platforms whose feeds have a row or an object per product, under names of their own.

Sources: the reference of `ProductInput` and `ProductAttributes` of Google's Merchant API (products v1) and of
`products` of its Content API; OpenAI's product feed specification, of
developers.openai.com/commerce/specs/file-upload/products; the fields of Meta's Catalog Batch API, of
developers.facebook.com/docs/marketing-api/catalog-batch.
"""

from __future__ import annotations

from catalog.feeds.presets.preset import Preset

MERCHANT_API = Preset(
    name="merchant_api",
    title="Google's Merchant API or Content API",
    signatures=(frozenset({"offer_id"}),),
    columns={
        "offer_id": "id",  # beside it, `id` and `name` are names of resources
        "additional_image_links": "additional_image_link",
        "product_types": "product_type",
        "gtins": "gtin",
        "sizes": "size",
    },
)
OPENAI = Preset(
    name="openai",
    title="OpenAI's product feed",
    signatures=(frozenset({"item_id", "image_url"}), frozenset({"item_id", "is_eligible_search"})),
    columns={
        "item_id": "id",
        "image_url": "image_link",
        "additional_image_urls": "additional_image_link",
        "group_id": "item_group_id",
        "product_category": "product_type",
    },
)
META = Preset(
    name="meta",
    title="Meta's catalog API",
    signatures=(frozenset({"retailer_id", "name"}), frozenset({"retailer_id", "image_url"})),
    columns={
        "retailer_id": "id",
        "name": "title",
        "image_url": "image_link",
        "additional_image_urls": "additional_image_link",
        "retailer_product_group_id": "item_group_id",
        "category": "product_type",
    },
)
