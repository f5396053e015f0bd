"""Which form of a classifier is made to answer."""

from hypothesis import given
from hypothesis import strategies as st

from ml.deployment.deploying import MAX_LOST_POINTS, MIN_GAIN, Form, choice

NAMES = ("torch", "onnx", "openvino-bf16", "openvino-int8")


def form(variant: str, pictures_per_s: float, lost_points: float = 0.0) -> Form:
    return Form(variant=variant, pictures_per_s=pictures_per_s, top1=0.9, lost_points=lost_points, bytes=1)


def test_the_fastest_that_answers_as_well_is_chosen() -> None:
    forms = [form("torch", 1.0), form("onnx", 3.0), form("openvino-int8", 9.0, MAX_LOST_POINTS + 0.01)]
    assert choice(forms).variant == "onnx"


@given(
    speeds=st.lists(st.floats(1.0, 1e4), min_size=len(NAMES), max_size=len(NAMES)),
    answering=st.sampled_from([*NAMES, None, "gone"]),
)
def test_the_form_that_answers_stays_unless_another_is_clearly_faster(
    speeds: list[float], answering: str | None
) -> None:
    forms = [form(name, speed) for name, speed in zip(NAMES, speeds, strict=True)]
    chosen = choice(forms, answering)
    before = {each.variant: each.pictures_per_s for each in forms}.get(str(answering), 0.0)
    assert chosen.variant == answering if max(speeds) < MIN_GAIN * before else chosen.pictures_per_s == max(speeds)


def test_a_form_that_answers_but_is_not_good_any_more_goes() -> None:
    forms = [form("torch", 1.0), form("openvino-int8", 9.0, MAX_LOST_POINTS + 0.01)]
    assert choice(forms, "openvino-int8").variant == "torch"
