"""Plans: the recipes that a project wants, and the jobs that materialize them in the order of the asset graph."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import dagster as dg

from catalog_assets.partitions import (
    SEARCH_BY_CLASSIFIER,
    attribute_recipes,
    classifier_recipes,
    deliveries,
    encoder_recipes,
    encoder_shares,
    ensemble_recipes,
    evaluated_classifiers,
    search_recipes,
    student_recipes,
)

TARGET = "warehouse"  # a plan materializes this asset and everything upstream
Keys = Callable[[dg.DagsterInstance], Sequence[str | None]]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The recipes that a flow materializes, by name; `shares` are keys of `encoder_shares`.

    `confidences` are the classifiers whose confidence is calibrated. The result of a search is a classifier, too.
    """

    encoders: Sequence[str] = ()
    classifiers: Sequence[str] = ()
    shares: Sequence[str] = ()
    searches: Sequence[str] = ()
    students: Sequence[str] = ()
    ensembles: Sequence[str] = ()
    attributes: Sequence[str] = ()
    confidences: Sequence[str] = ()

    def recipes(self, asset: str, partitions: dg.PartitionsDefinition) -> Sequence[str]:
        """The keys of an asset that is partitioned by recipes."""
        if asset == "confidence":
            return self.confidences
        found = [name for name, search in SEARCH_BY_CLASSIFIER.items() if search in self.searches]
        classifiers = [*self.classifiers, *(name for name in found if name not in self.classifiers)]
        by_partitions: list[tuple[dg.PartitionsDefinition, Sequence[str]]] = [
            (encoder_recipes, self.encoders),
            (classifier_recipes, classifiers),
            (student_recipes, self.students),
            (ensemble_recipes, self.ensembles),
            (search_recipes, self.searches),
            (attribute_recipes, self.attributes),
            (encoder_shares, self.shares),
            (evaluated_classifiers, [*classifiers, *self.students, *self.ensembles]),
        ]
        return next(keys for known, keys in by_partitions if known == partitions)


@dataclass(frozen=True, kw_only=True)
class Step:
    """A job of a flow: the assets that it materializes, and the keys of the partitions that it is run for."""

    job: str
    assets: Sequence[str]
    keys: Keys
    is_by_delivery: bool = False


def steps(defs: dg.Definitions, plan: Plan) -> list[Step]:
    """The jobs that materialize a plan, each once, in the order of the asset graph.

    An asset belongs to the flow if the target is made from it, directly or not, and the plan has recipes for all that
    it is made from itself. Of several jobs that materialize it, the one that covers most of the flow does.
    """
    graph = _Graph(defs, plan)
    flow: list[Step] = []
    done: set[str] = set()
    for asset in graph.wanted():
        if asset in done:
            continue
        covered = {job: graph.covered(job, done) for job in graph.jobs}
        job = max((job for job in covered if asset in covered[job]), key=lambda job: (len(covered[job]), job))
        flow.append(graph.step(job, covered[job]))
        done |= set(covered[job])
    return flow


def step(defs: dg.Definitions, job: str, plan: Plan) -> Step:
    """One job as a step: for the plan's recipes, or for every delivery."""
    graph = _Graph(defs, plan)
    return graph.step(job, [each for each in graph.order if each in graph.jobs[job]])


class _Graph:
    """The asset graph as a flow reads it: assets and jobs by name."""

    def __init__(self, defs: dg.Definitions, plan: Plan) -> None:
        self._graph, self._plan = defs.resolve_asset_graph(), plan
        nodes = {key.path[-1]: self._graph.get(key) for key in self._graph.toposorted_asset_keys}
        self.order = [name for name, node in nodes.items() if node.is_materializable]
        self._partitions = {name: node.partitions_def for name, node in nodes.items()}
        self._parents = {
            name: {key.path[-1] for key in node.parent_keys} & set(self.order) for name, node in nodes.items()
        }
        selections = {job.name: getattr(job, "selection", None) for job in defs.jobs or []}
        self.jobs = {
            name: {key.path[-1] for key in selection.resolve(self._graph)}
            for name, selection in selections.items()
            if isinstance(selection, dg.AssetSelection)  # not of ops, as `retain` is
        }
        self._left_out: set[str] = set()
        for asset in self.order:
            if self._has_no_recipe(asset):
                self._left_out.add(asset)

    def wanted(self) -> list[str]:
        """The assets of the flow, in order."""
        targets = {TARGET}
        targets |= {"confidence"} if self._plan.confidences else set()
        targets |= {"attribute_metrics"} if self._plan.attributes else set()
        upstream = set(targets)
        for asset in reversed(self.order):
            if asset in upstream:
                upstream |= self._parents[asset]
        return [asset for asset in self.order if asset in upstream - self._left_out]

    def covered(self, job: str, done: set[str]) -> list[str]:
        """The assets that a job materializes, but for those of which an input is made later."""
        covered: list[str] = []
        for asset in self.order:
            inputs = self._parents[asset] - self._left_out - done - set(covered)
            if asset in self.jobs[job] - self._left_out and not inputs:
                covered.append(asset)
        return covered

    def step(self, job: str, assets: Sequence[str]) -> Step:
        """A job that materializes some of its assets."""
        is_by_delivery = any(self._partitions[asset] == deliveries for asset in self.jobs[job])
        return Step(job=job, assets=assets, keys=self.keys_of(job), is_by_delivery=is_by_delivery)

    def keys_of(self, job: str) -> Keys:
        """The partitions that a job is run for: the plan's, or the deliveries that have its inputs by then."""
        assets = [asset for asset in self.order if asset in self.jobs[job]]
        partitioned = [asset for asset in assets if self._partitions[asset] is not None]
        if not partitioned:
            return lambda _: (None,)
        partitions = self._partitions[partitioned[0]]
        if partitions != deliveries:
            return lambda _: self._plan.recipes(partitioned[0], partitions)  # type: ignore[arg-type]
        inputs = [
            dg.AssetKey(parent)
            for parent in set[str]().union(*(self._parents[asset] for asset in assets)) - self.jobs[job]
            if self._partitions[parent] == deliveries
        ]

        def keys(instance: dg.DagsterInstance) -> list[str]:
            available = [instance.get_materialized_partitions(each) for each in inputs]
            registered = instance.get_dynamic_partitions(str(deliveries.name))
            return [key for key in registered if all(key in each for each in available)]

        return keys

    def _has_no_recipe(self, asset: str) -> bool:
        """Returns True if the plan names no recipe of an asset with partitions by recipe, or of one of its inputs."""
        partitions = self._partitions[asset]
        if partitions is not None and partitions != deliveries:
            return not self._plan.recipes(asset, partitions)  # its inputs by recipe are those of its own recipes
        return asset != TARGET and bool(self._parents[asset] & self._left_out)
