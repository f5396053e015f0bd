"""Views: the batched operations against torchvision, one image at a time."""

import math
from dataclasses import fields, replace

import pytest
import torch
import torchvision.transforms.v2 as transforms
import torchvision.transforms.v2.functional as reference
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ml.recipe_types import Augmentation
from ml.views import ViewParameters, draw_parameters, random_view, render

UNCHANGED = Augmentation(
    crop_scale=(1.0, 1.0),
    crop_ratio=(1.0, 1.0),
    flip_probability=0.0,
    jitter_probability=0.0,
    gray_probability=0.0,
)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def images(num: int, height: int = 40, width: int = 40, low: int = 0, high: int = 256) -> Tensor:
    return torch.randint(low, high, (num, 3, height, width), dtype=torch.uint8)


def one(parameters: ViewParameters, position: int) -> ViewParameters:
    return ViewParameters(**{f.name: getattr(parameters, f.name)[position : position + 1] for f in fields(parameters)})


def test_without_any_change_a_view_is_the_image() -> None:
    pixels = images(3)
    assert torch.allclose(random_view(pixels, UNCHANGED), pixels / 255, atol=1e-6)


@pytest.mark.parametrize("size", [(40, 40, 40), (64, 48, 24), (20, 30, 56)])
def test_crops_and_flips_equal_torchvisions_image_by_image(size: tuple[int, int, int]) -> None:
    height, width, resolution = size
    pixels = images(24, height, width)
    p = draw_parameters(
        replace(UNCHANGED, crop_scale=(0.05, 1.0), crop_ratio=(0.5, 2.0), flip_probability=0.5),
        24,
        height,
        width,
    )
    views = render(pixels, p, resolution)
    assert 0 < p.flip.sum() < 24
    for i, view in enumerate(views):
        box = [int(value[i]) for value in (p.top, p.left, p.height, p.width)]
        expected = reference.resized_crop(pixels[i].float(), *box, [resolution, resolution], antialias=True)
        expected = reference.horizontal_flip(expected) if p.flip[i] else expected
        assert torch.allclose(view, expected / 255, atol=1e-5)


@pytest.mark.parametrize(
    ("field", "adjust"),
    [
        ("brightness", reference.adjust_brightness),
        ("contrast", reference.adjust_contrast),
        ("saturation", reference.adjust_saturation),
    ],
)
def test_color_factors_mean_what_they_mean_in_torchvision(field: str, adjust) -> None:  # type: ignore[no-untyped-def]
    pixels = images(8, low=90, high=160)  # far enough from black and white that nothing is clipped
    factors = torch.linspace(0.0 if field != "brightness" else 0.5, 1.5, 8)
    views = render(pixels, replace(draw_parameters(UNCHANGED, 8, 40, 40), **{field: factors}), 40)
    for view, image, factor in zip(views, pixels, factors, strict=True):
        assert torch.allclose(view, adjust(image / 255, float(factor)), atol=1e-4)


def test_all_color_changes_together_follow_the_order_brightness_contrast_saturation() -> None:
    pixels = images(1, low=90, high=160)
    still = draw_parameters(UNCHANGED, 1, 40, 40)
    factors = {
        "brightness": torch.tensor([1.2]),
        "contrast": torch.tensor([0.7]),
        "saturation": torch.tensor([0.4]),
    }
    expected = reference.adjust_brightness(pixels[0] / 255, 1.2)
    expected = reference.adjust_saturation(reference.adjust_contrast(expected, 0.7), 0.4)
    assert torch.allclose(render(pixels, replace(still, **factors), 40)[0], expected, atol=1e-4)


def test_turning_the_hue_keeps_the_brightness_and_leaves_gray_alone() -> None:
    pixels = images(5, low=110, high=145)
    still = draw_parameters(UNCHANGED, 5, 40, 40)
    turned = replace(still, hue=torch.tensor([0.0, 0.1, -0.25, 0.5, 1.0]))
    views, plain = render(pixels, turned, 40), render(pixels, still, 40)
    assert torch.allclose(reference.rgb_to_grayscale(views), reference.rgb_to_grayscale(plain), atol=1e-3)
    assert torch.allclose(views[[0, 4]], plain[[0, 4]], atol=1e-4)
    assert (views[1:4] - plain[1:4]).abs().amax(dim=(1, 2, 3)).min() > 0.01
    gray = pixels[:, :1].expand(-1, 3, -1, -1)
    assert torch.allclose(render(gray, turned, 40), gray / 255, atol=1e-3)


def test_every_image_draws_its_own_parameters() -> None:
    p = draw_parameters(Augmentation(), 64, 40, 40)
    for name in ("top", "left", "height", "width", "brightness", "contrast", "saturation", "hue"):
        assert len(getattr(p, name).unique()) > 10


def test_a_view_does_not_depend_on_the_rest_of_the_batch() -> None:
    pixels = images(6)
    p = draw_parameters(Augmentation(), 6, 40, 40)
    together = render(pixels, p, 32)
    for i in range(6):
        assert torch.allclose(together[i], render(pixels[i : i + 1], one(p, i), 32)[0], atol=1e-5)


@given(height=st.integers(2, 60), width=st.integers(2, 60), smallest=st.floats(0.01, 1.0))
@settings(max_examples=50, deadline=None)
def test_a_crop_never_leaves_its_image(height: int, width: int, smallest: float) -> None:
    p = draw_parameters(Augmentation(crop_scale=(smallest, 1.0)), 50, height, width)
    assert (p.height >= 1).all()
    assert (p.width >= 1).all()
    assert (p.top >= 0).all()
    assert (p.left >= 0).all()
    assert (p.top + p.height <= height).all()
    assert (p.left + p.width <= width).all()


def test_crops_are_distributed_as_torchvisions() -> None:
    p = draw_parameters(Augmentation(crop_scale=(0.2, 1.0)), 4000, 48, 64)
    drawn = torch.stack([p.top, p.left, p.height, p.width], dim=1)
    image = torch.zeros(3, 48, 64)
    crop = transforms.RandomResizedCrop(48, scale=(0.2, 1.0))
    expected = torch.tensor(
        [[d["top"], d["left"], d["height"], d["width"]] for d in (crop.make_params([image]) for _ in range(4000))]
    )
    for quantile in (0.1, 0.25, 0.5, 0.75, 0.9):
        assert torch.allclose(drawn.quantile(quantile, dim=0), expected.float().quantile(quantile, dim=0), atol=2.0)


def test_the_shares_of_flipped_and_gray_views_are_the_requested_ones() -> None:
    p = draw_parameters(Augmentation(flip_probability=0.3, gray_probability=0.2), 10_000, 40, 40)
    assert p.flip.mean().item() == pytest.approx(0.3, abs=0.02)
    assert (p.saturation == 0).float().mean().item() == pytest.approx(0.2, abs=0.02)


def test_views_stay_between_black_and_white() -> None:
    views = random_view(images(32), Augmentation(brightness=0.9, contrast=0.9, saturation=0.9, hue=0.5))
    assert views.min() >= 0
    assert views.max() <= 1


@pytest.mark.parametrize("sigma", [0.3, 1.0, 2.0])
@pytest.mark.parametrize("resolution", [24, 40])
def test_blurs_equal_torchvisions_image_by_image(sigma: float, resolution: int) -> None:
    pixels = images(6)
    still = draw_parameters(replace(UNCHANGED, crop_scale=(0.3, 1.0)), 6, 40, 40)
    sharp = render(pixels, still, resolution)
    views = render(pixels, replace(still, blur=torch.tensor([sigma, 0.0] * 3)), resolution)
    size = 2 * math.ceil(3 * sigma) + 1
    for i, view in enumerate(views):
        expected = sharp[i] if i % 2 else reference.gaussian_blur(sharp[i], [size, size], [sigma, sigma])
        assert torch.allclose(view, expected, atol=1e-5)


def test_a_blur_wider_than_the_image_is_still_an_average() -> None:
    pixels = images(4, 8, 8)
    still = draw_parameters(UNCHANGED, 4, 8, 8)
    views = render(pixels, replace(still, blur=torch.full((4,), 9.0)), 8)
    assert torch.allclose(views.mean(dim=(2, 3)), (pixels / 255).mean(dim=(2, 3)), atol=0.02)
    assert views.std() < (pixels / 255).std() / 2


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.5, 1.0])
def test_solarizing_equals_torchvisions_image_by_image(threshold: float) -> None:
    pixels = images(4)
    still = draw_parameters(UNCHANGED, 4, 40, 40)
    plain = render(pixels, still, 40)
    views = render(pixels, replace(still, solarize=torch.tensor([threshold, 2.0, threshold, 2.0])), 40)
    for i, view in enumerate(views):
        assert torch.equal(view, plain[i] if i % 2 else reference.solarize(plain[i], threshold))


def test_the_shares_of_blurred_and_solarized_views_are_the_requested_ones() -> None:
    p = draw_parameters(
        Augmentation(blur_probability=0.5, blur_sigma=(0.1, 2.0), solarize_probability=0.2), 10_000, 40, 40
    )
    blurred = p.blur[p.blur > 0]
    assert len(blurred) / 10_000 == pytest.approx(0.5, abs=0.02)
    assert blurred.min() >= 0.1
    assert blurred.max() <= 2.0
    assert blurred.mean().item() == pytest.approx(1.05, abs=0.03)
    assert (p.solarize <= 1).float().mean().item() == pytest.approx(0.2, abs=0.02)


def test_views_are_distributed_as_torchvisions() -> None:
    """Colors and sharpness of many views of one image, beside those of torchvision's transforms."""
    photograph = images(1, 12, 12).float()
    pixels = reference.resize(photograph, [48, 48], antialias=True).round().to(torch.uint8)
    recipe = Augmentation(crop_scale=(0.3, 1.0), hue=0.0, blur_probability=0.5, solarize_probability=0.2)
    ours = render(pixels.expand(3_000, -1, -1, -1), draw_parameters(recipe, 3_000, 48, 48), 48)
    theirs = transforms.Compose(
        [
            transforms.RandomResizedCrop(48, scale=(0.3, 1.0), antialias=True),
            transforms.RandomHorizontalFlip(),
            transforms.RandomApply([transforms.ColorJitter(0.4, 0.4, 0.4, 0.0)], p=0.8),
            transforms.RandomGrayscale(0.2),
            transforms.RandomApply([transforms.GaussianBlur(13, (0.1, 2.0))], p=0.5),
            transforms.RandomSolarize(0.5, p=0.2),
        ]
    )
    expected = torch.stack([theirs(pixels[0] / 255) for _ in range(3_000)])

    def figures(views: Tensor) -> Tensor:
        colors = views.mean(dim=(2, 3))
        edges = (views[..., 1:] - views[..., :-1]).abs().mean(dim=(1, 2, 3))
        saturation = (views.amax(dim=1) - views.amin(dim=1)).mean(dim=(1, 2))
        return torch.stack([*colors.unbind(1), views.std(dim=(1, 2, 3)), edges, saturation], dim=1)

    for quantile in (0.1, 0.25, 0.5, 0.75, 0.9):
        found, wanted = (figures(each).quantile(quantile, dim=0) for each in (ours, expected))
        assert torch.allclose(found, wanted, atol=0.02), (quantile, found, wanted)


def test_erasing_covers_rectangles_of_the_drawn_areas_and_ratios_and_nothing_else() -> None:
    augmentation = replace(UNCHANGED, erase_probability=0.5, erase_scale=(0.1, 0.3))
    pixels = images(400, 20, 20, low=0, high=1)  # black, which a drawn gray hardly ever is
    views = random_view(pixels, augmentation, resolution=100)
    covered = (views > 0).any(dim=1)
    assert (views[:, 0] == views[:, 1]).all()
    assert (views[:, 0] == views[:, 2]).all()
    shares = covered.float().mean(dim=(1, 2))
    erased = shares > 0
    assert 0.4 < erased.float().mean() < 0.6
    assert 0.08 < shares[erased].min() < 0.12
    assert 0.27 < shares[erased].max() < 0.32
    for view in covered[erased]:
        rows, columns = view.any(dim=1), view.any(dim=0)
        assert torch.equal(view, rows[:, None] & columns[None, :])  # a rectangle
        assert 0.25 < rows.sum() / columns.sum() < 4


def test_without_erasing_the_same_views_are_drawn_as_before_there_was_any() -> None:
    augmentation = Augmentation(solarize_probability=0.2, blur_probability=0.2)
    draw_parameters(augmentation, 8, 40, 40)
    after = torch.rand(())
    torch.manual_seed(0)
    draw_parameters(replace(augmentation, erase_probability=0.3), 8, 40, 40)
    assert torch.rand(()) != after
    torch.manual_seed(0)
    drawn = draw_parameters(augmentation, 8, 40, 40)
    assert not any(getattr(drawn, name).any() for name in ("erase_top", "erase_height", "erase_value"))
    assert torch.rand(()) == after
