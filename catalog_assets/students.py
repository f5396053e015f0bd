"""Students: light classifiers that learn what a heavier one answers, and how much of it they kept at what cost."""

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import numpy as np
import polars as pl

from catalog.data_efficiency import crossed_estimate
from catalog_assets.answering import Answering, ensemble_record, members_of
from catalog_assets.classifiers import LEVEL_COLUMNS, classifiers, labelled
from catalog_assets.encoders import encoders
from catalog_assets.ensembles import ensembles
from catalog_assets.history import data_version
from catalog_assets.markdown import table
from catalog_assets.partitions import of_a_student_s_encoder, of_its_teacher, of_its_teachers, student_recipes
from catalog_assets.taxonomies import taxonomy
from ml.recipe_types import fingerprint
from ml.recipes import ENSEMBLE_RECIPES, student_recipe
from resources.compute import Compute
from resources.pictures import Pictures
from resources.store import Store
from resources.tracking import Tracking

if TYPE_CHECKING:
    from ml.classifiers.hierarchy import Hierarchy
    from ml.distillation import Answers, Features

JUDGED_ON = ("golden", "test")  # the first of them that has products
NO_LABEL = -1
IN_TRAINING = pl.col("split") == "train"


@dg.asset(
    deps=[
        dg.AssetDep(classifiers, partition_mapping=of_its_teacher),
        dg.AssetDep(ensembles, partition_mapping=of_its_teachers),
        dg.AssetDep(encoders, partition_mapping=of_a_student_s_encoder),
        taxonomy,
    ],
    partitions_def=student_recipes,
    io_manager_key="tables",
    pool="device",
    group_name="classifiers",
    kinds={"pytorch", "mlflow", "parquet"},
    code_version="1",
)
def students(
    context: dg.AssetExecutionContext,
    dataset: pl.LazyFrame,
    store: Store,
    pictures: Pictures,
    compute: Compute,
    tracking: Tracking,
) -> dg.MaterializeResult[pl.DataFrame]:
    """Light classifiers distilled from a classifier or an ensemble, also by pictures without a label; beside it."""
    recipe = student_recipe(context.partition_key)
    assert recipe.distillation is not None  # noqa: S101 that is what makes it a student
    from ml.classifiers.hierarchy import Hierarchy
    from ml.classifiers.timing import ms_per_picture
    from ml.distillation import as_seen_by
    from ml.encoders import Encoder
    from ml.training.classification import Examples
    from ml.training.finetuning import Watch, train_classifier

    teacher = recipe.distillation.teacher
    folder = store.scratch / "classifiers" / recipe.name
    with (
        tracking.run(context, {"teacher": teacher, "encoder": recipe.encoder}) as log,
        compute.session() as session,
    ):
        room = Classroom(Answering(dataset.collect(), store, pictures, session.device))
        labels = room.labels(recipe.label_fraction)
        known, said = room.answers(teacher)
        _, pixels = room.asked.inputs(recipe.name, IN_TRAINING)
        hierarchy = Hierarchy.of_labels(labels)
        features = room.features(teacher) if recipe.distillation.feature_weight else None
        examples = Examples(inputs=pixels, labels=labels, answers=as_seen_by(hierarchy, known, said), features=features)
        watch = Watch(checkpoint=folder / "checkpoint.pt", on_epoch=log.epochs(recipe.name, context.log.info))
        encoder = Encoder.load(store.here("encoders", recipe.encoder))
        made = train_classifier(recipe, encoder, examples, session.device, watch)
        facts: dict[str, int | float | str] = {
            "num_labels": int((labels[:, -1] != NO_LABEL).sum()),
            "num_pictures": len(labels),
            "trainable_labels": room.asked.rows["label_rank"].count(),
            "device_seconds": made.cost.device_s,
            "num_parameters": sum(parameter.numel() for parameter in made.classifier.parameters()),
            "ms_per_picture": ms_per_picture(made.classifier, session.device),
            "mlflow_run_id": log.run_id,
        }
        inputs = {
            **{f"teacher {each}": store.fingerprint("classifiers", each) for each in members_of(teacher)},
            "encoder": store.fingerprint("encoders", recipe.encoder),
            "dataset": data_version(context.instance, "dataset"),
        }
        about = {**facts, "recipe": asdict(recipe), "recipe_sha256": fingerprint(recipe), "inputs": inputs}
        sha256 = made.classifier.save(folder, about)
        store.put_back("classifiers", recipe.name)
        (folder / "checkpoint.pt").unlink(missing_ok=True)
        right = {"student": room.right(recipe.name), "teacher": room.right(teacher)}
        figures = {
            "student": room.figures(recipe.name, right["student"]),
            "teacher": room.figures(teacher, right["teacher"]),
        }
    frame = pl.DataFrame([{"student": recipe.name, "role": role, **each} for role, each in figures.items()])
    behind = crossed_estimate((right["teacher"] - right["student"])[None])
    return dg.MaterializeResult(
        value=frame,
        data_version=dg.DataVersion(sha256),
        metadata={
            **facts,
            "beside its teacher": dg.MetadataValue.md(table(frame.drop("student"))),
            "points behind its teacher": 100 * behind.value,
            "95 % within": f"{100 * behind.low:.1f} to {100 * behind.high:.1f}",
            "times faster": figures["teacher"]["ms_per_picture"] / figures["student"]["ms_per_picture"],
            "peak_mib": session.peak_mib,
            "mlflow": dg.MetadataValue.url(log.url),
            "folder": dg.MetadataValue.path(str(folder)),
        },
    )


@dataclass(frozen=True)
class Classroom:
    """The pictures of a dataset, as a teacher and its student are asked about them."""

    asked: Answering

    def labels(self, fraction: float) -> np.ndarray:
        """Ids (num_pictures, num_levels) of the pictures in training, for a fraction of those that have any."""
        known = pl.col("label_rank") < fraction
        told = (pl.when(known).then(column).otherwise(NO_LABEL).fill_null(NO_LABEL) for column in LEVEL_COLUMNS)
        return self.asked.rows.filter(IN_TRAINING).select(told).to_numpy()

    def answers(self, teacher: str) -> "tuple[Hierarchy, Answers]":
        """What a teacher says of all pictures in training, labelled or not: asked once for all its students."""
        from ml.classifiers.hierarchy import joint
        from ml.distillation import load_answers, save_answers

        store, members = self.asked.store, members_of(teacher)
        if teacher in ENSEMBLE_RECIPES:
            ensemble_record(store, teacher)  # refuses members that changed
        path = self._kept(teacher, ".npz")
        if not path.exists():
            save_answers(path, self.asked.log_probabilities(teacher, IN_TRAINING)[2])
        known = joint([self.asked.classifier(each).hierarchy for each in members])
        return known, load_answers(path)

    def features(self, teacher: str) -> "Features":
        """A teacher's embeddings of the same pictures, its members' side by side, made once too."""
        from ml.encoders import embed

        path = self._kept(teacher, ".npy")
        if not path.exists():
            parts = []
            for member in members_of(teacher):
                _, inputs = self.asked.inputs(member, IN_TRAINING)
                encoder = self.asked.classifier(member).encoder
                parts.append(embed(encoder, inputs, self.asked.device) if inputs.ndim == 4 else inputs)
            part = path.with_name(f".{path.name}")
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(part, np.concatenate(parts, axis=1))
            part.replace(path)
        held: Features = np.load(path)
        return held

    def _kept(self, teacher: str, suffix: str) -> Path:
        """Where what a teacher says of the pictures in training is kept, for it and for them as they are."""
        store, pictures = self.asked.store, self.asked.rows.filter(IN_TRAINING)
        of = [store.fingerprint("classifiers", each) for each in members_of(teacher)]
        of += [*pictures["product_id"], *pictures["sha256"]]
        version = hashlib.sha256("\n".join(of).encode()).hexdigest()[:16]
        return store.scratch / "cache" / "answers" / f"{teacher}-{version}{suffix}"

    @property
    def split(self) -> str:
        """Where both are judged: on golden products if there are any, else on the test split."""
        held = set(self.asked.rows.filter(labelled)["split"])
        found = next((each for each in JUDGED_ON if each in held), None)
        if found is None:
            raise dg.Failure(f"no labelled product is in {' or '.join(JUDGED_ON)}; assemble a dataset that has some")
        return found

    def right(self, name: str) -> np.ndarray:
        """1 where it names a held-out product's leaf, (num_held_out,)."""
        judged, best = self.asked.best(name, (pl.col("split") == self.split) & labelled)
        named: np.ndarray = best[-1].ids[:, 0] == judged["level_4"].to_numpy()
        return named.astype(np.float64)

    def figures(self, name: str, right: np.ndarray) -> dict[str, Any]:
        """How well it does, and what it costs: an ensemble costs what its members do together."""
        from ml.classifiers.timing import ms_per_picture

        store, members = self.asked.store, members_of(name)
        leaves = self.asked.rows.filter((pl.col("split") == self.split) & labelled)["level_4"]
        units = store.business_values(store.taxonomy())
        values = np.array([units.get(leaf, 0.0) for leaf in leaves])
        top1 = crossed_estimate(right[None])
        classifiers = [self.asked.classifier(each) for each in members]
        weights = [store.here("classifiers", each) / "weights.safetensors" for each in members]
        return {
            "classifier": name,
            "split": self.split,
            "num_samples": len(right),
            "top1": top1.value,
            "top1_low": top1.low,
            "top1_high": top1.high,
            "value_weighted_accuracy": float(np.average(right, weights=values)) if values.sum() > 0 else None,
            "num_parameters": sum(each.numel() for one in classifiers for each in one.parameters()),
            "ms_per_picture": sum(ms_per_picture(each, self.asked.device) for each in classifiers),
            "mib": sum(each.stat().st_size for each in weights) / 2**20,
        }
