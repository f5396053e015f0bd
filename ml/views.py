"""Views: random crops, flips and colour changes of whole batches of uint8 pixels at once, on their device.

Every picture draws its own parameters. Cropping, resizing, flipping and blurring are two small matrix products per
picture, whose rows are the anti-aliased bilinear weights of torchvision's `resized_crop(antialias=True)`, blurred where
that was drawn. All colour changes are affine in RGB, so they fold into one 3 x 4 matrix per picture: brightness,
contrast and saturation as in torchvision, hue as a rotation about the grey axis (in YIQ) instead of a trip through HSV;
values are clipped once, at the end. Blurring before or after them is the same but for what was clipped.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from torch import Tensor

from ml.recipe_types import Augmentation, Range

BLUR_RADIUS = 3  # standard deviations: what lies beyond weighs 0.3 %
NEVER = 2.0  # a threshold that nothing of 0..1 reaches
NUM_CROP_TRIES = 10  # as torchvision's RandomResizedCrop: the first crop that fits, else the whole picture
GREY_WEIGHTS = (0.2989, 0.587, 0.114)  # torchvision's luma
RGB_TO_YIQ = ((0.2989, 0.587, 0.114), (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112))


@dataclass(frozen=True, kw_only=True)
class ViewParameters:
    """What was drawn for each picture of a batch; every field has the shape (batch,)."""

    top: Tensor
    left: Tensor
    height: Tensor
    width: Tensor
    flip: Tensor  # 1.0 mirrors
    brightness: Tensor  # factors, 1.0 changes nothing
    contrast: Tensor
    saturation: Tensor  # 0.0 is grey
    hue: Tensor  # turns
    blur: Tensor  # standard deviations in pixels of the view, 0.0 leaves it sharp
    solarise: Tensor  # thresholds of 0..1, above 1 changes nothing

    def rows(self, part: slice) -> "ViewParameters":
        """Those of some pictures of the batch."""
        return ViewParameters(**{each.name: getattr(self, each.name)[part] for each in fields(self)})

    def to(self, device: torch.device) -> "ViewParameters":
        """The same on a device, brought there in one piece."""
        if self.top.device == device:
            return self
        names = [each.name for each in fields(self)]
        moved = torch.stack([getattr(self, name) for name in names]).to(device)
        return ViewParameters(**dict(zip(names, moved, strict=True)))


def random_view(pixels: Tensor, augmentation: Augmentation, resolution: int | None = None) -> Tensor:
    """A random view of each picture: uint8 (batch, 3, h, w) -> 0..1 (batch, 3, resolution, resolution)."""
    batch, _, height, width = pixels.shape
    return render(pixels, draw(augmentation, batch, height, width), resolution or height)


def draw(augmentation: Augmentation, batch: int, height: int, width: int) -> ViewParameters:
    """Parameters for `batch` pictures of height x width, from PyTorch's global CPU generator."""
    a = augmentation
    top, left, crop_height, crop_width = _draw_crops(a.crop_scale, a.crop_ratio, batch, height, width)
    jittered = torch.rand(batch) < a.jitter_probability
    grey = torch.rand(batch) < a.grey_probability

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
        saturation=torch.where(grey, 0.0, factor(a.saturation)),
        hue=torch.where(jittered, a.hue * (2 * torch.rand(batch) - 1), 0.0),
        blur=torch.where(torch.rand(batch) < a.blur_probability, torch.empty(batch).uniform_(*a.blur_sigma), 0.0),
        solarise=torch.where(torch.rand(batch) < a.solarise_probability, a.solarise_threshold, NEVER),
    )


def render(pixels: Tensor, parameters: ViewParameters, resolution: int) -> Tensor:
    """The views that `parameters` describe: 0..1 float (batch, 3, resolution, resolution)."""
    return render_all(pixels, [(parameters, resolution)])[0]


def render_all(pixels: Tensor, kinds: Sequence[tuple[ViewParameters, int]]) -> list[Tensor]:
    """Several views of the same pictures, each at a resolution of its own."""
    batch, channels, height, width = pixels.shape
    # Colours beside a line's pixels make two wide products, and a factor that lies in order lets a CPU take its fast
    # way: a third of the time of a product for each colour.
    lines = pixels.transpose(1, 2).reshape(batch, height * channels, width).float()
    return [_render(lines, channels, parameters, resolution) for parameters, resolution in kinds]


def _render(lines: Tensor, channels: int, parameters: ViewParameters, resolution: int) -> Tensor:
    """The views of pictures whose lines, height x channels, are (batch, height * channels, width)."""
    device, (batch, num_lines, width) = lines.device, lines.shape
    height = num_lines // channels
    blurred, solarised = parameters.blur.nonzero()[:, 0], (parameters.solarise <= 1).nonzero()[:, 0]
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
    view = _change_colours(view.reshape(batch, channels, -1), p).view(batch, channels, resolution, resolution)
    if len(solarised):
        solarised = solarised.to(device)
        some = view[solarised]
        view[solarised] = torch.where(some >= p.solarise[solarised, None, None, None], 1 - some, some)
    return view


def _draw_crops(scale: Range, ratio: Range, batch: int, height: int, width: int) -> tuple[Tensor, ...]:
    """Crop boxes (top, left, height, width), whole pixels, as torchvision's RandomResizedCrop draws them."""
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


def _resize_weights(start: Tensor, length: Tensor, size: int, resolution: int) -> Tensor:
    """Weights (batch, resolution, size) that resample a line's pixels start .. start + length."""
    scale = (length / resolution)[:, None, None]
    centre = start[:, None, None] + (torch.arange(resolution, device=start.device) + 0.5)[None, :, None] * scale
    position = (torch.arange(size, device=start.device) + 0.5)[None, None, :]
    distance = (position - centre).abs() / scale.clamp(min=1)  # shrinking widens the triangle: anti-aliasing
    inside = (position > start[:, None, None]) & (position < (start + length)[:, None, None])
    weights = (1 - distance).clamp(min=0) * inside
    return weights / weights.sum(dim=2, keepdim=True)


def _blur_weights(sigma: Tensor, size: int) -> Tensor:
    """Gaussian weights (batch, size, size) along a line of pixels that is mirrored at its ends, as in torchvision."""
    radius = min(size - 1, math.ceil(BLUR_RADIUS * float(sigma.max())))
    offset = torch.arange(-radius, radius + 1)
    weights = torch.exp(-0.5 * (offset / sigma[:, None]) ** 2)
    weights = weights / weights.sum(dim=1, keepdim=True)  # (batch, offsets)
    source = (torch.arange(size)[:, None] + offset).abs()
    source = torch.where(source >= size, 2 * (size - 1) - source, source)  # (size, offsets)
    places = F.one_hot(source, size).float()  # (size, offsets, size)
    return (weights @ places.transpose(0, 1).reshape(len(offset), -1)).view(-1, size, size)


def _change_colours(view: Tensor, p: ViewParameters) -> Tensor:
    """Colours changed picture by picture: (batch, 3, num_pixels) in 0..255 -> in 0..1."""
    grey = torch.tensor(GREY_WEIGHTS, device=view.device)
    identity, greying = torch.eye(3, device=view.device), grey.expand(3, 3)
    saturation = p.saturation[:, None, None]
    saturate = saturation * identity + (1 - saturation) * greying
    matrix = p.contrast[:, None, None] * (_hue_rotation(p.hue) @ saturate) * p.brightness[:, None, None] / 255
    # The grey that contrast pulls towards is known beforehand: hue and saturation keep it.
    bias = (1 - p.contrast) * p.brightness / 255 * (view.mean(dim=2) @ grey)
    return torch.bmm(matrix, view).add_(bias[:, None, None]).clamp_(0, 1)  # baddbmm would copy the bias out first


def _hue_rotation(hue: Tensor) -> Tensor:
    """RGB matrices (batch, 3, 3) that turn colours by `hue` turns about the grey axis."""
    to_yiq = torch.tensor(RGB_TO_YIQ)
    to_rgb = torch.linalg.inv(to_yiq)
    cos, sin = torch.cos(2 * math.pi * hue), torch.sin(2 * math.pi * hue)
    rotation = torch.zeros(len(hue), 3, 3, device=hue.device)
    rotation[:, 0, 0] = 1
    rotation[:, 1, 1], rotation[:, 1, 2] = cos, -sin
    rotation[:, 2, 1], rotation[:, 2, 2] = sin, cos
    turned: Tensor = to_rgb.to(hue.device) @ rotation @ to_yiq.to(hue.device)
    return turned
