"""Jobs of classifiers: each launches assets for one partition."""

import dagster as dg

train = dg.define_asset_job(
    "train",
    selection=dg.AssetSelection.assets("classifiers"),
    description="Train one classifier recipe on the current dataset.",
)

distill = dg.define_asset_job(
    "distill",
    selection=dg.AssetSelection.assets("students"),
    description="Train one student on its teacher's predictions, and compare it with its teacher.",
)

combine = dg.define_asset_job(
    "combine",
    selection=dg.AssetSelection.assets("ensembles"),
    description="Combine several classifiers into one ensemble, and compare it with its members.",
)

search = dg.define_asset_job(
    "search",
    selection=dg.AssetSelection.assets("trials", "searches"),
    description="Search the encoder library for the best classifier under a goal and a budget of device seconds.",
)

attributes = dg.define_asset_job(
    "attributes",
    selection=dg.AssetSelection.assets("attribute_classifiers", "attribute_predictions", "attribute_metrics"),
    description="Train one attribute's classifier, predict the attribute of every product, and evaluate it.",
)

efficiency = dg.define_asset_job(
    "efficiency",
    selection=dg.AssetSelection.assets("share_outcomes", "data_efficiency"),
    description="Fine-tune one encoder on one share of the labels, and plot accuracy by the number of labels.",
)

titles = dg.define_asset_job(
    "titles",
    selection=dg.AssetSelection.assets("title_embeddings", "multimodal"),
    description="Embed the products' titles, and evaluate image, title and both together for one encoder.",
)

JOBS = [train, distill, combine, search, attributes, efficiency, titles]
