"""Tables of the dataset and its labels."""

from __future__ import annotations

from catalog.schema.columns import TableDescription, integer, number, text

DATASET = {
    "placeholders": TableDescription(
        "Images that stand for a missing one, or may, those of most products first.",
        {
            "sha256": text("SHA-256 of the image."),
            "dhash": text("Its difference hash, 16 hexadecimal digits."),
            "image_group": text("SHA-256 of the first of its copies, which share their evidence."),
            "verdict": text("placeholder (never trains, gets no prediction), suspected (for a person), or not."),
            "evidence": text("Deciding evidence: content, repetition, both, or listed; of suspected ones, the reason."),
            "content": number("Probability that the image is drawn, the highest of its copies."),
            "num_products": integer("Products that show it or a copy."),
            "num_items": integer("Item groups and single products among them."),
            "num_leaves": integer("Different labels of these."),
            "num_branches": integer("Different ancestors of the labels at level 2."),
            "num_partners": integer("Partners."),
            "shared_word": number("Share of the items whose titles have the commonest word."),
            "product_id": text("A product that shows it."),
            "delivery": text("Delivery of that product."),
            "shard": text("Shard file of the image."),
        },
    ),
    "splits": TableDescription(
        "The group and split of every product that ever had an image; no later delivery changes them.",
        {
            "product_id": text("Product."),
            "group_id": text("Group that it joined, named after the smallest id of its first products."),
            "split": text("train, val, test or golden; only its partner's settings change it, to a stricter one."),
        },
    ),
    "dataset": TableDescription(
        "Usable products, one row each, with duplicate group, split and label.",
        {
            "product_id": text("Product."),
            "partner_id": text("Its partner."),
            "delivery": text("Delivery of the row that counts."),
            "shard": text("Shard file of its image."),
            "sha256": text("SHA-256 of its image."),
            "group_id": text("Group of duplicates and variants, named after the smallest id of its first products."),
            "image_group_id": text("Part of the group that images alone form."),
            "split": text("train, val, test or golden."),
            "category_id": integer("Label; null without one."),
            **{f"level_{level}": integer(f"Label at level {level} of the taxonomy.") for level in range(1, 5)},
            "label_rank": number("Rank of a labeled training product in its category, in [0, 1); null for others."),
        },
    ),
    "suspect_labels": TableDescription(
        "Training labels that confident learning finds to be wrong, the most suspect first.",
        {
            "encoder": text("Encoder whose embeddings were used."),
            "product_id": text("Product."),
            "label_id": integer("Leaf of its label."),
            "label_name": text("Name of that leaf."),
            "suggested_id": integer("Leaf that the model predicts."),
            "suggested_name": text("Name of that leaf."),
            "score": number("Predicted probability of the label; the lower, the more suspect."),
            "suggested_probability": number("Predicted probability of the suggested leaf."),
            "delivery": text("Delivery of the product."),
        },
    ),
}
