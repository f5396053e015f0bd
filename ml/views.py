"""Random views: crops, flips, blur and color changes of a whole batch of uint8 images at once, on its device.

Every image draws its own parameters. Cropping, resizing, flipping and blurring are two small matrix products per
image, whose rows are the anti-aliased bilinear weights of torchvision's `resized_crop(antialias=True)`, convolved with
the blur's Gaussian where one is drawn. All color changes are affine in RGB, so they combine into one 3 x 4 matrix per
image: brightness, contrast and saturation as in torchvision, hue as a rotation about the gray axis in YIQ instead of a
conversion to HSV. Values are clipped once, at the end, so the order of blur and color changes matters only where values
are clipped.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from torch import Tensor

from ml.recipe_types import Augmentation, Range

BLUR_RADIUS = 3  # standard deviations; the weight beyond is 0.3 %
NO_SOLARIZE = 2.0  # a threshold above all values
NUM_CROP_TRIES = 10  # as in torchvision's RandomResizedCrop: the first crop that fits, else the whole image
GRAY_WEIGHTS = (0.2989, 0.587, 0.114)  # torchvision's luma
ERASE_RATIO = (0.3, 1 / 0.3)  # Zhong et al., section 3.2
ERASE_GRID = 1_000  # places of a rectangle along each side
RGB_TO_YIQ = ((0.2989, 0.587, 0.114), (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112))


@dataclass(frozen=True, kw_only=True)
class ViewParameters:
    """The drawn parameters of a batch's views; every field has the shape (batch,)."""

    top: Tensor  # crop box in pixels of the image
    left: Tensor
    height: Tensor
    width: Tensor
    flip: Tensor  # 1.0 flips horizontally
    brightness: Tensor  # factors, 1.0 changes nothing
    contrast: Tensor
    saturation: Tensor  # 0.0 is gray
    hue: Tensor  # turns
    blur: Tensor  # standard deviations in pixels of the view, 0.0 for no blur
    solarize: Tensor  # thresholds of 0..1, above 1 for no change
    erase_top: Tensor  # rectangle in shares of the view, of height 0.0 for none
    erase_left: Tensor
    erase_height: Tensor
    erase_width: Tensor
    erase_value: Tensor  # gray of the rectangle, 0..1

    def rows(self, part: slice) -> "ViewParameters":
        """Returns the parameters of a slice of the batch."""
        return ViewParameters(**{each.name: getattr(self, each.name)[part] for each in fields(self)})

    def to(self, device: torch.device) -> "ViewParameters":
        """Copies the parameters to a device in one transfer."""
        if self.top.device == device:
            return self
        names = [each.name for each in fields(self)]
        moved = torch.stack([getattr(self, name) for name in names]).to(device)
        return ViewParameters(**dict(zip(names, moved, strict=True)))


def random_view(pixels: Tensor, augmentation: Augmentation, resolution: int | None = None) -> Tensor:
    """Draws and renders one random view of each image.

    Args:
        pixels: (batch, 3, height, width), uint8.
        augmentation: The distribution of views.
        resolution: Side of the views in pixels; the height of the images by default.

    Returns:
        Views (batch, 3, resolution, resolution), float32 in 0..1.
    """
    batch, _, height, width = pixels.shape
    return render(pixels, draw_parameters(augmentation, batch, height, width), resolution or height)


def draw_parameters(augmentation: Augmentation, batch: int, height: int, width: int) -> ViewParameters:
    """Draws the parameters of `batch` images of height x width pixels from PyTorch's global CPU generator."""
    a = augmentation
    top, left, crop_height, crop_width = _draw_crops(a.crop_scale, a.crop_ratio, batch, height, width)
    jittered = torch.rand(batch) < a.jitter_probability
    gray = torch.rand(batch) < a.gray_probability

    def factor(strength: float) -> Tensor:
        return torch.where(jittered, 1 + strength * (2 * torch.rand(batch) - 1), 1.0).clamp(min=0)

    return ViewParameters(
        top=top,
        left=left,
        height=crop_height,
        width=crop_width,
        flip=(torch.rand(batch) < a.flip_probability).float(),
        brightness=factor(a.brightness),
        contrast=factor(a.contrast),
        saturation=torch.where(gray, 0.0, factor(a.saturation)),
        hue=torch.where(jittered, a.hue * (2 * torch.rand(batch) - 1), 0.0),
        blur=torch.where(torch.rand(batch) < a.blur_probability, torch.empty(batch).uniform_(*a.blur_sigma), 0.0),
        solarize=torch.where(torch.rand(batch) < a.solarize_probability, a.solarize_threshold, NO_SOLARIZE),
        **_draw_rectangles(a, batch),
    )


def render(pixels: Tensor, parameters: ViewParameters, resolution: int) -> Tensor:
    """Renders the views with these parameters: uint8 (batch, 3, h, w) -> 0..1 (batch, 3, resolution, resolution)."""
    return render_all(pixels, [(parameters, resolution)])[0]


def render_all(pixels: Tensor, kinds: Sequence[tuple[ViewParameters, int]]) -> list[Tensor]:
    """Renders several views of the same images, given the parameters and the resolution of each view."""
    batch, channels, height, width = pixels.shape
    # Two wide products over all color channels with contiguous factors take a third of the time of one product per
    # channel on a CPU.
    lines = pixels.transpose(1, 2).reshape(batch, height * channels, width).float()
    return [_render(lines, channels, parameters, resolution) for parameters, resolution in kinds]


def _render(lines: Tensor, channels: int, parameters: ViewParameters, resolution: int) -> Tensor:
    """Renders views of images given as lines, (batch, height * channels, width)."""
    device, (batch, num_lines, width) = lines.device, lines.shape
    height = num_lines // channels
    blurred, solarized = parameters.blur.nonzero()[:, 0], (parameters.solarize <= 1).nonzero()[:, 0]
    p = parameters.to(device)
    rows = _resize_weights(p.top, p.height, height, resolution)  # (batch, resolution, h)
    columns = _resize_weights(p.left, p.width, width, resolution)  # (batch, resolution, w)
    columns = torch.where(p.flip.bool()[:, None, None], columns.flip(1), columns)
    if len(blurred):
        blur = _blur_weights(parameters.blur[blurred], resolution).to(device)
        blurred = blurred.to(device)
        rows[blurred], columns[blurred] = blur @ rows[blurred], blur @ columns[blurred]
    view = torch.bmm(lines, columns.transpose(1, 2).contiguous()).view(batch, height, channels * resolution)
    view = torch.bmm(rows, view).view(batch, resolution, channels, resolution).transpose(1, 2)
    view = _change_colors(view.reshape(batch, channels, -1), p).view(batch, channels, resolution, resolution)
    if len(solarized):
        solarized = solarized.to(device)
        some = view[solarized]
        view[solarized] = torch.where(some >= p.solarize[solarized, None, None, None], 1 - some, some)
    return _erase(view, p) if parameters.erase_height.any() else view


def _draw_crops(scale: Range, ratio: Range, batch: int, height: int, width: int) -> tuple[Tensor, ...]:
    """Draws crop boxes (top, left, height, width) in whole pixels, like torchvision's RandomResizedCrop."""
    tries = (batch, NUM_CROP_TRIES)
    area = height * width * torch.empty(tries).uniform_(*scale)
    aspect = torch.empty(tries).uniform_(math.log(ratio[0]), math.log(ratio[1])).exp()
    widths, heights = (area * aspect).sqrt().round(), (area / aspect).sqrt().round()
    fits = (widths >= 1) & (widths <= width) & (heights >= 1) & (heights <= height)
    first = fits.int().argmax(dim=1, keepdim=True)
    found = fits.any(dim=1)
    crop_height = torch.where(found, heights.gather(1, first)[:, 0], float(height))
    crop_width = torch.where(found, widths.gather(1, first)[:, 0], float(width))
    top = (torch.rand(batch) * (height - crop_height + 1)).floor()
    left = (torch.rand(batch) * (width - crop_width + 1)).floor()
    return top, left, crop_height, crop_width


def _draw_rectangles(augmentation: Augmentation, batch: int) -> dict[str, Tensor]:
    """Draws the rectangles that are erased; without any, no random number is drawn."""
    names = ("erase_top", "erase_left", "erase_height", "erase_width", "erase_value")
    if not augmentation.erase_probability:
        return {name: torch.zeros(batch) for name in names}
    erased = (torch.rand(batch) < augmentation.erase_probability).float()
    boxes = _draw_crops(augmentation.erase_scale, ERASE_RATIO, batch, ERASE_GRID, ERASE_GRID)
    return dict(zip(names, [*(erased * each / ERASE_GRID for each in boxes), torch.rand(batch)], strict=True))


def _erase(view: Tensor, p: ViewParameters) -> Tensor:
    """Covers each view's rectangle, if it has one, with its gray: (batch, 3, resolution, resolution) of 0..1."""
    position = (torch.arange(view.shape[-1], device=view.device) + 0.5) / view.shape[-1]
    rows = (position >= p.erase_top[:, None]) & (position < (p.erase_top + p.erase_height)[:, None])
    columns = (position >= p.erase_left[:, None]) & (position < (p.erase_left + p.erase_width)[:, None])
    inside = rows[:, None, :, None] & columns[:, None, None, :]
    return torch.where(inside, p.erase_value[:, None, None, None], view)


def _resize_weights(start: Tensor, length: Tensor, size: int, resolution: int) -> Tensor:
    """Returns the weights (batch, resolution, size) that resample pixels start .. start + length of a line."""
    scale = (length / resolution)[:, None, None]
    center = start[:, None, None] + (torch.arange(resolution, device=start.device) + 0.5)[None, :, None] * scale
    position = (torch.arange(size, device=start.device) + 0.5)[None, None, :]
    distance = (position - center).abs() / scale.clamp(min=1)  # anti-aliasing: downscaling widens the triangle
    inside = (position > start[:, None, None]) & (position < (start + length)[:, None, None])
    weights = (1 - distance).clamp(min=0) * inside
    return weights / weights.sum(dim=2, keepdim=True)


def _blur_weights(sigma: Tensor, size: int) -> Tensor:
    """Returns Gaussian weights (batch, size, size) along a line, reflected at its ends as in torchvision."""
    radius = min(size - 1, math.ceil(BLUR_RADIUS * float(sigma.max())))
    offset = torch.arange(-radius, radius + 1)
    weights = torch.exp(-0.5 * (offset / sigma[:, None]) ** 2)
    weights = weights / weights.sum(dim=1, keepdim=True)  # (batch, offsets)
    source = (torch.arange(size)[:, None] + offset).abs()
    source = torch.where(source >= size, 2 * (size - 1) - source, source)  # (size, offsets)
    positions = F.one_hot(source, size).float()  # (size, offsets, size)
    return (weights @ positions.transpose(0, 1).reshape(len(offset), -1)).view(-1, size, size)


def _change_colors(view: Tensor, p: ViewParameters) -> Tensor:
    """Applies each image's color change: (batch, 3, num_pixels) in 0..255 -> 0..1."""
    gray = torch.tensor(GRAY_WEIGHTS, device=view.device)
    identity, to_gray = torch.eye(3, device=view.device), gray.expand(3, 3)
    saturation = p.saturation[:, None, None]
    saturate = saturation * identity + (1 - saturation) * to_gray
    matrix = p.contrast[:, None, None] * (_hue_rotation(p.hue) @ saturate) * p.brightness[:, None, None] / 255
    # Contrast scales about the image's mean gray, which hue and saturation do not change.
    bias = (1 - p.contrast) * p.brightness / 255 * (view.mean(dim=2) @ gray)
    return torch.bmm(matrix, view).add_(bias[:, None, None]).clamp_(0, 1)  # baddbmm would expand the bias first


def _hue_rotation(hue: Tensor) -> Tensor:
    """Returns RGB matrices (batch, 3, 3) that rotate colors by `hue` turns about the gray axis."""
    to_yiq = torch.tensor(RGB_TO_YIQ)
    to_rgb = torch.linalg.inv(to_yiq)
    cos, sin = torch.cos(2 * math.pi * hue), torch.sin(2 * math.pi * hue)
    rotation = torch.zeros(len(hue), 3, 3, device=hue.device)
    rotation[:, 0, 0] = 1
    rotation[:, 1, 1], rotation[:, 1, 2] = cos, -sin
    rotation[:, 2, 1], rotation[:, 2, 2] = sin, cos
    rotated: Tensor = to_rgb.to(hue.device) @ rotation @ to_yiq.to(hue.device)
    return rotated
