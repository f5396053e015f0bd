"""All views of the warehouse, with the columns that they return."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from catalog.schema.columns import ViewDescription
from catalog.schema.tables import TABLE_DESCRIPTIONS

_PRODUCTS = {name: column.description for name, column in TABLE_DESCRIPTIONS["products"].columns.items()}
_PARTNER, _CLASSIFIER, _ENCODER = "Partner.", "Classifier.", "Encoder."
_SPLIT, _NUM_SAMPLES = "Split of the evaluated products.", "Evaluated products."
_CONFUSION = {
    "true_name": "Name of the label's leaf.",
    "predicted_name": "Name of the predicted leaf.",
    "num": "Products of this pair.",
}
_CONFUSION_PATHS = {
    "share_of_true": "Share of the label's products.",
    "business_value": "Units sold of the label's leaf, times that share.",
    "true_path": "Path of the label's leaf.",
    "predicted_path": "Path of the predicted leaf.",
}


def _interval(name: str, stem: str, description: str) -> dict[str, str]:
    return {
        name: description,
        f"{stem}_low": f"Lower end of the 95 % interval of `{name}`.",
        f"{stem}_high": f"Upper end of the 95 % interval of `{name}`.",
    }


VIEW_DESCRIPTIONS: Mapping[str, ViewDescription] = MappingProxyType(
    {
        "current_products": ViewDescription(
            "Every product once, by the delivery that counts: the newest that has not removed it.", _PRODUCTS
        ),
        "outcomes_by_partner": ViewDescription(
            "Download results by partner and status.",
            {
                "partner": _PARTNER,
                "status": "Result of the download.",
                "num": "Products with this result.",
                "share": "Share of the partner's products.",
            },
        ),
        "probe_by_partner": ViewDescription(
            "Results of the last probe by partner and status, weighted to all links that were still to be fetched.",
            {
                "partner": _PARTNER,
                "status": "Result of the request.",
                "num": "Sampled links with this result.",
                "links": "Links that they represent.",
                "share": "Share of the partner's links.",
            },
        ),
        "link_rot_by_partner": ViewDescription(
            "State of links whose image was downloaded by partner, from the last refetched sample.",
            {
                "partner": _PARTNER,
                "link_state": "State of the link now: `live`, `gone` or `unreached`.",
                "num": "Sampled links in this state.",
                "links": "Links that they represent.",
                "share": "Share of the partner's links.",
            },
        ),
        "drift_by_partner": ViewDescription(
            "Drift by partner and encoder: the largest of the partner's deliveries.",
            {
                "partner": _PARTNER,
                "encoder": "Encoder of the energy coefficient.",
                "deliveries": "Deliveries of the partner.",
                "beyond_chance": "Largest stability index less its mean by chance.",
                "energy": "Largest energy coefficient.",
                "share_uncertain": "Share of products without a confident leaf.",
                "share_without_image": "Share of links without an image.",
            },
        ),
        "accuracy_by_classifier": ViewDescription(
            "Accuracy on leaves by classifier and split, best first.",
            {
                "classifier": _CLASSIFIER,
                "split": _SPLIT,
                **_interval(
                    "value_weighted_accuracy",
                    "value_weighted",
                    "Share of units sold whose leaf is predicted right.",
                ),
                **_interval("top1", "top1", "Share of products whose leaf is predicted right."),
                "num_samples": _NUM_SAMPLES,
            },
        ),
        "quality_by_encoder": ViewDescription(
            "Quality of each encoder's embeddings over all evaluated images, best first.",
            {
                "encoder": _ENCODER,
                **_interval("knn_top1", "knn", "Share of images whose leaf the nearest neighbors predict right."),
                **_interval("linear_top1", "linear", "Share of images whose leaf a linear probe predicts right."),
                "recall_at_1": "Share of images whose nearest neighbor has the same leaf.",
                "recall_at_5": "Share of images with the same leaf among the five nearest neighbors.",
                "mean_average_precision": "Mean average precision of retrieval by leaf.",
                "effective_rank": "Effective rank of the embeddings; a low one is a collapse.",
                "uniformity": "Uniformity of the embeddings on the sphere; lower is more uniform.",
                "alignment": "Distance between two views of an image; lower is more alike.",
            },
        ),
        "multimodal_accuracy": ViewDescription(
            "Accuracy by image, title and both, one row an encoder, share of the labels and split.",
            {
                "encoder": "Encoder of the images.",
                "label_fraction": "Share of the labels trained on.",
                "split": _SPLIT,
                "image_top1": "Top-1 accuracy of leaves by the image.",
                "title_top1": "Top-1 accuracy by the title.",
                "late_fusion_top1": "Top-1 accuracy of the weighted mean of both predictions.",
                "joint_top1": "Top-1 accuracy of one head over both embeddings.",
                "better_input": "The better of image and title alone.",
                "late_fusion_gain": "Gain of late fusion over the better input.",
                "joint_gain": "Gain of the joint head over the better input.",
                "num_samples": _NUM_SAMPLES,
            },
        ),
        "worst_confusions": ViewDescription(
            "Wrong predictions of leaves, the most expensive first.",
            {"classifier": _CLASSIFIER, "split": _SPLIT, "level": "Level of the taxonomy: 4.", **_CONFUSION}
            | _CONFUSION_PATHS,
        ),
        "accuracy_by_level": ViewDescription(
            "Value-weighted accuracy by classifier, split and level of the taxonomy.",
            {
                "classifier": _CLASSIFIER,
                "split": _SPLIT,
                "level": "Level of the taxonomy, 1 (roots) to 4 (leaves).",
                "value_weighted_accuracy": "Share of units sold whose category is predicted right.",
                "ci_low": "Lower end of its 95 % interval.",
                "ci_high": "Upper end of its 95 % interval.",
                "num_samples": _NUM_SAMPLES,
            },
        ),
        "most_valuable_confusions": ViewDescription(
            "Confusion matrix of the 50 most valuable leaves, the most valuable first.",
            {
                "classifier": _CLASSIFIER,
                "split": _SPLIT,
                "rank": "Rank of the label's leaf by business value, from 1.",
                **_CONFUSION,
                "num_true": "Products of the label's leaf.",
                **_CONFUSION_PATHS,
            },
        ),
        "catalog_disagreements": ViewDescription(
            "Catalog products whose category differs from the partner's label, best-selling first.",
            {
                "product_id": "Product.",
                "partner": _PARTNER,
                "title": "Title.",
                "image_url": "Link of the image.",
                "delivery": "Delivery.",
                "partner_path": "Path of the partner's label.",
                "catalog_path": "Path of the predicted category.",
                "probability": "Its probability.",
                "depth": "Its level.",
                "business_value": "Units sold of the partner's category.",
            },
        ),
        "catalog_coverage": ViewDescription(
            "Depth of the catalog's categories by partner.",
            {
                "partner": _PARTNER,
                "depth": "Level of the predicted category; 0 without one.",
                "num": "Products at this depth.",
                "probability": "Mean probability of their categories.",
                "share": "Share of the partner's products.",
            },
        ),
        "products_without_image": ViewDescription(
            "Products without an image, with the reason.",
            {**_PRODUCTS, "reason": "Result of the download, or `not downloaded yet`."},
        ),
        "placeholder_products": ViewDescription(
            "Products whose image is a placeholder: they never train and have no prediction.",
            {
                **_PRODUCTS,
                "status": "`placeholder`.",
                "evidence": "Deciding evidence.",
                "sha256": "SHA-256 of the image.",
            },
        ),
        "placeholder_queue": ViewDescription(
            "Placeholders that nobody has confirmed, and images that may be some, those of most products first.",
            {
                "image_group": "SHA-256 of the first of the image's copies.",
                "verdict": "placeholder, or suspected.",
                "evidence": "Deciding evidence, or what speaks for it.",
                "num_products": "Products that show the image.",
                "num_items": "Item groups and single products among them.",
                "num_leaves": "Different labels of these.",
                "num_partners": "Partners.",
                "num_images": "Copies with other bytes, itself included.",
                "content": "Probability that the image is drawn.",
                "product_id": "A product that shows it.",
                "title": "Its title.",
                "image_url": "Link of its image.",
                "line": "The line of placeholders.csv that confirms it; `not` in place of `placeholder` rejects it.",
            },
        ),
        "moved_labels": ViewDescription(
            "Labels that belong to a former version of the taxonomy, by partner, the most frequent first.",
            {
                "version": "Former version.",
                "old_id": "Category in that version.",
                "kind": "Kind of the change: moved, split or lost.",
                "old_path": "Path in that version.",
                "new_path": "Path of the successor; null where it was split or lost.",
                "partner": _PARTNER,
                "num_products": "Products with this label.",
                "ancestor_id": "For split and lost ones: the deepest current category that contains it.",
                "candidates": "Current categories that may take its place.",
                "reason": "Reason for the kind, in words.",
            },
        ),
        "disagreements": ViewDescription(
            "Held-out products whose predicted leaf differs from the label, the most confident first.",
            {
                "classifier": _CLASSIFIER,
                "split": "Split of the product.",
                "product_id": "Product.",
                "partner": _PARTNER,
                "title": "Title.",
                "image_url": "Link of the image.",
                "partner_path": "Path of the label.",
                "predicted_path": "Path of the predicted leaf.",
                "probability": "Its probability.",
            },
        ),
    }
)
