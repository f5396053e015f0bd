"""Jobs: the stages of the flow, each one run a partition."""

import dagster as dg

from catalog_assets.attributes import attribute_classifiers, attribute_metrics, attribute_predictions
from catalog_assets.catalogue import universal_catalogue
from catalog_assets.champion import champion, champion_decisions
from catalog_assets.classifiers import classifiers
from catalog_assets.confidence import confidence
from catalog_assets.dataset import dataset
from catalog_assets.deployment import deployment
from catalog_assets.download_report import download_report
from catalog_assets.drift import drift
from catalog_assets.efficiency import data_efficiency, share_outcomes
from catalog_assets.embedding_drift import embedding_drift
from catalog_assets.encoders import embeddings, encoders
from catalog_assets.ensembles import ensembles
from catalog_assets.evaluation import comparison, confusion, metrics, predictions
from catalog_assets.golden_score import golden_score
from catalog_assets.images import download
from catalog_assets.label_noise import suspect_labels
from catalog_assets.link_rot import link_rot
from catalog_assets.multimodal import multimodal
from catalog_assets.probe import download_probe
from catalog_assets.products import take
from catalog_assets.quality import encoder_quality
from catalog_assets.search import searches
from catalog_assets.similarity import similarity_index
from catalog_assets.students import students
from catalog_assets.taxonomies import taxonomy, taxonomy_moves
from catalog_assets.titles import title_embeddings
from catalog_assets.warehouse import warehouse

prepare = dg.define_asset_job(
    "prepare",
    selection=dg.AssetSelection.assets(taxonomy, taxonomy_moves),
    description="Read the reference data that people keep.",
)

ingest = dg.define_asset_job(
    "ingest",
    selection=dg.AssetSelection.assets(take, download),
    description="Take one delivery's feed and download its pictures.",
)

take_only = dg.define_asset_job(
    "take",
    selection=dg.AssetSelection.assets(take),
    description="Take one delivery's feed and download nothing yet: a probe comes first.",
)

probe = dg.define_asset_job(
    "probe",
    selection=dg.AssetSelection.assets(download_probe),
    description="Ask for a sample of the links still to be fetched, and say what a whole download will meet.",
)

assemble = dg.define_asset_job(
    "assemble",
    selection=dg.AssetSelection.assets(download_report, dataset),
    description="Report the downloads; group, split and label the usable products of all deliveries.",
)

encode = dg.define_asset_job(
    "encode",
    selection=dg.AssetSelection.assets(encoders, embeddings),
    description="Make one encoder and embed the dataset with it.",
)

examine = dg.define_asset_job(
    "examine",
    selection=dg.AssetSelection.assets(encoder_quality, similarity_index, embedding_drift),
    description="Judge one encoder's embeddings by validation labels, index them, and set deliveries beside training.",
)

train = dg.define_asset_job(
    "train",
    selection=dg.AssetSelection.assets(classifiers),
    description="Train one classifier recipe on the current dataset.",
)

judge = dg.define_asset_job(
    "judge",
    selection=dg.AssetSelection.assets(predictions, metrics, confusion),
    description="Let one classifier, student or ensemble answer for the held-out products, and judge its answers.",
)

distil = dg.define_asset_job(
    "distil",
    selection=dg.AssetSelection.assets(students),
    description="Train one light classifier on what its teacher answers, and set it beside its teacher.",
)

combine = dg.define_asset_job(
    "combine",
    selection=dg.AssetSelection.assets(ensembles),
    description="Let several classifiers answer as one, and set it beside its members.",
)

search = dg.define_asset_job(
    "search",
    selection=dg.AssetSelection.assets(searches),
    description="Search the encoder library for the best classifier under a goal and a budget of device seconds.",
)

attributes = dg.define_asset_job(
    "attributes",
    selection=dg.AssetSelection.assets(attribute_classifiers, attribute_predictions, attribute_metrics),
    description="Train one attribute's classifier, tell the attribute of every product, and judge it.",
)

calibrate = dg.define_asset_job(
    "calibrate",
    selection=dg.AssetSelection.assets(confidence),
    description="Fit a classifier's confidence on validation products, and see what its answers are worth.",
)

audit = dg.define_asset_job(
    "audit",
    selection=dg.AssetSelection.assets(suspect_labels),
    description="List the labels that one encoder's embeddings hold for wrong.",
)

compare = dg.define_asset_job(
    "compare",
    selection=dg.AssetSelection.assets(comparison, champion_decisions, champion, warehouse),
    description="Compare all classifiers, name the champion, refresh the warehouse's views.",
)

deploy = dg.define_asset_job(
    "deploy",
    selection=dg.AssetSelection.assets(deployment),
    description="Export the champion, and choose the form in which it answers fastest on this machine.",
)

label = dg.define_asset_job(
    "label",
    selection=dg.AssetSelection.assets(universal_catalogue),
    description="Let the deployed champion tell the category of one delivery's products.",
)

watch = dg.define_asset_job(
    "watch",
    selection=dg.AssetSelection.assets(drift),
    description="Set one delivery's categories beside those of the training products.",
)

refresh = dg.define_asset_job(
    "refresh",
    selection=dg.AssetSelection.assets(golden_score, warehouse),
    description="Judge the catalogue by golden products again, and refresh the warehouse's views.",
)

recheck = dg.define_asset_job(
    "recheck",
    selection=dg.AssetSelection.assets(link_rot),
    description="Ask again for a sample of the links whose pictures were downloaded, and say what became of them.",
)

efficiency = dg.define_asset_job(
    "efficiency",
    selection=dg.AssetSelection.assets(share_outcomes, data_efficiency),
    description="Fine-tune one encoder on one share of the labels, and draw accuracy by the number of labels anew.",
)

titles = dg.define_asset_job(
    "titles",
    selection=dg.AssetSelection.assets(title_embeddings, multimodal),
    description="Embed the products' titles, and judge picture, title and both together for one encoder.",
)

JOBS = [
    *(prepare, take_only, probe, ingest, assemble, encode, examine),
    *(train, distil, search, combine, judge, calibrate, compare, audit, attributes, efficiency, titles),
    *(deploy, label, watch, refresh, recheck),
]
