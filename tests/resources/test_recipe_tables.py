"""Recipe tables: recipes of a project's file on top of presets, and an explanation of every mistake in them."""

from dataclasses import asdict, replace
from pathlib import Path

import pytest

from catalog_assets.plan import Plan
from ml.gpu_recipes import GPU_CLASSIFIERS, GPU_ENCODERS
from ml.recipe_types import Mixing
from ml.recipes import CLASSIFIER_RECIPES, ENCODER_RECIPES, IMAGENET_LITE0, PROBE, SIMCLR_MNV3
from ml.search.budget import Budget
from ml.search.recipe import SEARCH_RECIPES
from resources.project_file import RECIPE_TABLES, ProjectError, ProjectFile
from resources.recipe_set import KINDS, RecipeSet
from resources.recipes import PLANNED, PRESETS, WITHOUT_PROJECT, complete_plan, planned, project_recipes

PHOTOS = '[encoders.photos]\nextends = "imagenet-lite0"\nresolution = 224\n'


def recipes(tmp_path: Path, content: str) -> RecipeSet:
    path = tmp_path / "shelfsight.toml"
    path.write_text(content)
    return project_recipes(ProjectFile.read(path))


def test_a_table_changes_fields_of_a_preset(tmp_path: Path) -> None:
    found = recipes(tmp_path, PHOTOS)
    assert found.encoders == {"photos": replace(IMAGENET_LITE0, name="photos", resolution=224)}
    assert found.encoder("photos").resolution == 224


def test_a_nested_table_changes_single_fields_of_a_part(tmp_path: Path) -> None:
    text = '[encoders.own]\nextends = "simclr-mnv3"\n[encoders.own.pretraining.optimization]\nepochs = 30\n'
    own = recipes(tmp_path, text).encoders["own"].pretraining
    preset = SIMCLR_MNV3.pretraining
    assert own is not None
    assert preset is not None
    assert own == replace(preset, optimization=replace(preset.optimization, epochs=30))


def test_a_part_that_a_preset_lacks_starts_with_its_defaults_and_false_removes_one(tmp_path: Path) -> None:
    text = (
        '[classifiers.mixed]\nextends = "imagenet-lite0-probe"\nmixing = {cutmix_alpha = 0.0}\n'
        '[classifiers.plain]\nextends = "imagenet-lite0-finetune"\nmixing = false\n'
    )
    found = recipes(tmp_path, text).classifiers
    assert found["mixed"].mixing == Mixing(cutmix_alpha=0.0)
    assert found["plain"].mixing is None


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("900", Budget(seconds=900.0)),
        ('"20 min"', Budget(seconds=1200.0)),
        ('"3 x full training of the cheapest candidate"', Budget(full_trainings=3.0)),
        ("{full_trainings = 4}", Budget(full_trainings=4)),
    ],
)
def test_the_budget_of_a_search_is_a_text_or_a_number(tmp_path: Path, text: str, budget: Budget) -> None:
    found = recipes(tmp_path, f'[searches.own]\nextends = "quick"\nbudget = {text}\n').searches["own"]
    assert found == replace(SEARCH_RECIPES["quick"], name="own", budget=budget)


def test_a_recipe_extends_another_of_the_file_whatever_their_order(tmp_path: Path) -> None:
    text = f'[encoders.small]\nextends = "photos"\nseed = 3\n{PHOTOS}'
    assert recipes(tmp_path, text).encoders["small"] == replace(IMAGENET_LITE0, name="small", resolution=224, seed=3)


def test_presets_that_recipes_refer_to_are_there_and_no_others(tmp_path: Path) -> None:
    text = (
        '[classifiers.own]\nextends = "imagenet-lite0-probe"\n'
        '[students.own-student]\nextends = "student-mnv3"\n'
        '[students.own-student.distillation]\nteacher = "search-quick"\n'
    )
    found = recipes(tmp_path, text)
    assert set(found.classifiers) == {"own"}
    assert set(found.searches) == {"quick"}
    assert set(found.encoders) == {"imagenet-lite0", "simclr-mnv3"}


def test_the_plan_names_presets_and_own_recipes(tmp_path: Path) -> None:
    text = f'{PHOTOS}[plan]\nencoders = ["photos"]\nclassifiers = ["imagenet-lite0-probe", "search-quick"]\n'
    path = tmp_path / "shelfsight.toml"
    path.write_text(text)
    project = ProjectFile.read(path)
    found = project_recipes(project)
    assert found.classifiers == {"imagenet-lite0-probe": PROBE}
    assert set(found.encoders) == {"photos", "imagenet-lite0"}
    assert Plan(**planned(project)).classifiers == ["imagenet-lite0-probe", "search-quick"]


def test_a_preset_for_gpus_is_extended_like_any_other_and_brings_its_encoder(tmp_path: Path) -> None:
    text = (
        '[classifiers.own]\nextends = "convnext-t-224-finetune"\ndrop_path = 0.3\n'
        "[classifiers.own.augmentation]\nerase_probability = 0.5\n"
        "[classifiers.own.optimization]\nadaptive_clip = 0.02\n"
    )
    found = recipes(tmp_path, text)
    preset = GPU_CLASSIFIERS["convnext-t-224-finetune"]
    assert preset.augmentation is not None
    assert found.classifiers["own"] == replace(
        preset,
        name="own",
        drop_path=0.3,
        augmentation=replace(preset.augmentation, erase_probability=0.5),
        optimization=replace(preset.optimization, adaptive_clip=0.02),
    )
    assert set(found.encoders) == {"convnext-t-224"}


def test_a_plan_brings_all_that_its_recipes_are_made_from(tmp_path: Path) -> None:
    path = tmp_path / "shelfsight.toml"
    path.write_text(
        '[encoders.own]\nextends = "simclr-imagenet-lite0"\n'
        '[classifiers.own]\nextends = "simclr-mnv3-finetune"\nencoder = "own"\n'
        '[plan]\nclassifiers = ["own"]\nstudents = ["student-of-search"]\nensembles = ["stack"]\nshares = ["own|0.1"]\n'
    )
    plan = complete_plan(ProjectFile.read(path))
    assert list(plan["encoders"]).index("imagenet-lite0") < list(plan["encoders"]).index("own")  # its parent
    assert {"simclr-mnv3", "own", "imagenet-lite0"} <= set(plan["encoders"])
    assert set(plan["classifiers"]) == {"own", "imagenet-lite0-probe", "simclr-mnv3-finetune"}
    assert (plan["searches"], plan["ensembles"], plan["shares"]) == (["quick"], ["stack"], ["own|0.1"])
    assert Plan(**plan).students == ["student-of-search"]


def test_without_a_plan_every_recipe_of_the_file_is_planned(tmp_path: Path) -> None:
    path = tmp_path / "shelfsight.toml"
    path.write_text(PHOTOS)
    assert planned(ProjectFile.read(path)) == {kind: ["photos"] if kind == "encoders" else [] for kind in KINDS}


def test_without_a_project_the_recipes_are_those_of_the_demo_and_no_preset_for_gpus() -> None:
    found = project_recipes(ProjectFile())
    assert found is WITHOUT_PROJECT
    assert not {*GPU_ENCODERS, *GPU_CLASSIFIERS} & {*found.encoders, *found.classifiers}
    assert {recipe.encoder for recipe in found.classifiers.values()} <= set(found.encoders)
    assert PRESETS.encoders is ENCODER_RECIPES
    assert PRESETS.classifiers is CLASSIFIER_RECIPES


def test_a_plan_has_the_keys_of_the_file() -> None:
    assert set(PLANNED) == set(asdict(Plan()))
    assert tuple(KINDS) == RECIPE_TABLES


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('[encoders.a]\nextends = "imagenet-lite"', r"\[encoders\.a\] extends 'imagenet-lite', .*similar names: image"),
        ('[encoders.a]\nextends = "a"', r"\[encoders\.a\] extends itself \(a -> a\)"),
        ('[encoders.a]\nextends = "b"\n[encoders.b]\nextends = "a"', r"extends itself \(a -> b -> a\)"),
        ("[encoders.a]\nextends = 3", r"\[encoders\.a\] extends 3, but there is no such preset"),
        ('[encoders]\na = "imagenet-lite0"', r"\[encoders\.a\] is 'imagenet-lite0'; write a table"),
        ('[encoders.a]\nbackbone = "x"', r"lacks the key 'weights'; set it, or extend a preset"),
        (PHOTOS + "sede = 1", r"\[encoders\.photos\] has the unknown key 'sede'; similar names: seed"),
        (PHOTOS + 'name = "b"', r"has the key 'name'; a recipe has the name of its table"),
        (PHOTOS + 'seed = "1"', r"\[encoders\.photos\] has seed = '1': input should be a valid integer"),
        (PHOTOS + "seed = 2021-01-01", r"\[encoders\.photos\] has datetime\.date\(2021, 1, 1\); write texts"),
        (
            '[encoders.a]\nextends = "simclr-mnv3"\npretraining = {optimizer = "adamw"}',
            r"has the unknown key 'pretraining\.optimizer'; similar names: optimization",
        ),
        (
            '[encoders.a]\nextends = "simclr-mnv3"\npretraining = {optimization = {epochs = 1.5}}',
            r"has pretraining\.optimization\.epochs = 1\.5: input should be a valid integer",
        ),
        (
            '[classifiers.a]\nextends = "imagenet-lite0-probe"\nencoder = "photos"',
            r"\[classifiers\.a\] has encoder = 'photos', but there is no such recipe or preset of encoders",
        ),
        (
            '[classifiers.a]\nextends = "imagenet-lite0-probe"\ntuned_share = 3.0',
            r"\[classifiers\.a\]: classifier 'a' tunes the share 3\.0; give one above 0, at most 1",
        ),
        (
            '[classifiers.a]\nextends = "imagenet-lite0-probe"\n[ensembles.a]\nextends = "vote"',
            r"\[ensembles\.a\] has the name of \[classifiers\.a\]; rename one",
        ),
        (
            '[searches.a]\nextends = "quick"\n[classifiers.search-a]\nextends = "imagenet-lite0-probe"',
            r"\[classifiers\.search-a\] has the name of the result of \[searches\.a\]",
        ),
        ('[students.a]\nextends = "student-mnv3"\ndistillation = false', r"\[students\.a\] has no teacher"),
        ('[ensembles.a]\nmembers = ["b"]', r"\[ensembles\.a\] has members = 'b', but there is no such classifier"),
        (
            '[searches.a]\nextends = "quick"\nbudget = "10 full trainings"',
            r"\[searches\.a\] has budget = '10 full trainings': a budget is a positive number of device seconds, "
            r"a number with a unit \(s, min, h\), or 'NUMBER x full training of the cheapest candidate'; got '10 full",
        ),
        ('[searches.a]\nextends = "quick"\nbudget = 0', r"\[searches\.a\] has budget = 0: .*; got 0\.0"),
        ('[searches.a]\nextends = "quick"\nbudget_s = 60', r"has the unknown key 'budget_s'; similar names: budget"),
        (
            '[searches.a]\nextends = "quick"\n[searches.a.space]\nencoders = ["b"]',
            r"\[searches\.a\] has 'b' in space\.encoders, but there is no such recipe",
        ),
        (
            '[encoders.a]\nextends = "simclr-imagenet-lite0"\nparent = "b"\n[encoders.b]\nextends = "a"\nparent = "a"',
            r"\[encoders\.a\] is made from itself \(\[encoders\.a\] -> \[encoders\.b\] -> \[encoders\.a\]\)",
        ),
        (
            '[ensembles.a]\nmembers = ["b"]\n[ensembles.b]\nmembers = ["a"]',
            r"\[ensembles\.a\] is made from itself .*change the parent, teacher or members",
        ),
        (
            '[students.a]\nextends = "student-mnv3"\ndistillation = {teacher = "a"}',
            r"\[students\.a\] is made from itself \(\[students\.a\] -> \[students\.a\]\)",
        ),
        (PHOTOS + PHOTOS, r"is not TOML: Cannot declare .* two tables are named \[encoders\.photos\], so rename one"),
        (PHOTOS + "seed = 1\nseed = 2", r"is not TOML: Cannot overwrite .*a key is set twice, so remove one"),
        (PHOTOS + "resolution = [", r"is not TOML: Invalid value"),
        (
            '[classifiers.a]\nextends = "vit-s16-224-finetune"\ndrop_path = 1.0',
            r"\[classifiers\.a\]: classifier 'a' has drop_path 1\.0; give at least 0, below 1",
        ),
        (
            '[classifiers.a]\nextends = "imagenet-lite0-probe"\ndrop_path = 0.1',
            r"\[classifiers\.a\]: classifier 'a' is a probe with drop_path 0\.1; .*leave",
        ),
        (
            '[classifiers.a]\nextends = "vit-s16-224-finetune"\noptimization = {epochs = 0}',
            r"\[classifiers\.a\] has optimization = .*: optimization has epochs 0; give at least 1",
        ),
        (
            '[classifiers.a]\nextends = "vit-s16-224-finetune"\naugmentation = {erase_scale = [0.5, 0.2]}',
            r"augmentation has erase_scale \(0\.5, 0\.2\); give two numbers above 0, the smaller first",
        ),
        (
            '[classifiers.a]\nextends = "vit-s16-224-finetune"\noptimization = {optimizer = "sgdm"}',
            r"has optimization\.optimizer = 'sgdm': input should be 'adamw', 'sgd', 'rmsprop' or 'lars'",
        ),
        ("[plan]\nencoder = []", r"\[plan\] has the unknown key 'encoder'; similar names: encoders"),
        ('[plan]\nencoders = "imagenet-lite0"', r"\[plan\] has encoders = 'imagenet-lite0'; write a list of names"),
        ('[plan]\nencoders = ["imagenet-lite"]', r"\[plan\] has encoders = \['imagenet-lite'\], but there is no such"),
    ],
)
def test_a_mistake_is_named_with_its_file_table_key_and_the_way_out(content: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match=words) as raised:
        recipes(tmp_path, content)
    assert str(tmp_path) in str(raised.value)
