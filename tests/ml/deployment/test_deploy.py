"""Choosing the variant of a classifier to deploy."""

from hypothesis import given, settings
from hypothesis import strategies as st

from ml.deployment.deploy import MAX_LOST_POINTS, MIN_SPEEDUP, VariantResult, choose_variant

NAMES = ("torch", "onnx", "openvino-bf16", "openvino-int8")


def result(variant: str, images_per_s: float, lost_points: float = 0.0) -> VariantResult:
    return VariantResult(variant=variant, images_per_s=images_per_s, top1=0.9, lost_points=lost_points, bytes=1)


def test_the_fastest_variant_that_is_accurate_enough_is_chosen() -> None:
    results = [result("torch", 1.0), result("onnx", 3.0), result("openvino-int8", 9.0, MAX_LOST_POINTS + 0.01)]
    assert choose_variant(results).variant == "onnx"


@given(
    speeds=st.lists(st.floats(1.0, 1e4), min_size=len(NAMES), max_size=len(NAMES)),
    current=st.sampled_from([*NAMES, None, "gone"]),
)
@settings(deadline=None)
def test_the_current_variant_stays_unless_another_is_clearly_faster(speeds: list[float], current: str | None) -> None:
    results = [result(name, speed) for name, speed in zip(NAMES, speeds, strict=True)]
    chosen = choose_variant(results, current)
    before = {each.variant: each.images_per_s for each in results}.get(str(current), 0.0)
    assert chosen.variant == current if max(speeds) < MIN_SPEEDUP * before else chosen.images_per_s == max(speeds)


def test_a_current_variant_that_is_no_longer_accurate_enough_is_replaced() -> None:
    results = [result("torch", 1.0), result("openvino-int8", 9.0, MAX_LOST_POINTS + 0.01)]
    assert choose_variant(results, "openvino-int8").variant == "torch"
