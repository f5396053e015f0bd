"""Graphics: numbers by which drawn images (text, icons, logos) differ from photographs.

A drawing consists of smooth areas, sharp edges and few colors, with nothing between them; a photograph, also one of a
product on a white ground, has texture. No text is recognized: strokes of any script count alike.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

MAX_SIDE_PX = 192  # of the examined image: a stroke of a few pixels is left, and noise of compression is averaged
SMOOTH_RANGE = 5  # gray levels within 3 x 3 pixels of a smooth place, compression included
EDGE_RANGE = 40  # of an edge
NEAR_EDGE_PX = 9  # the side of the square around an edge in which compression rings
NEAR_COLOR = 10  # levels of a channel by which pixels of one color differ
MIN_PART_PX = 4  # of a connected part
MAX_PARTS = 400

FEATURES = (
    *("smooth", "textured", "edges", "ground", "two_colors", "eight_colors", "rim_deviation", "gray_entropy"),
    *("drawn", "num_parts", "stroke", "smooth_inside", "saturation", "tones", "detail"),
)
Pixels = NDArray[np.uint8]


def graphic_features(image: Image.Image) -> NDArray[np.float32]:
    """Computes the numbers of `FEATURES` of an image in gray or RGB, (len(FEATURES),)."""
    scale = MAX_SIDE_PX / max(image.size)
    pixels = np.asarray(image.convert("RGB"))
    if scale < 1:
        size = (max(8, round(image.width * scale)), max(8, round(image.height * scale)))
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    gray: Pixels = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
    kernel = np.ones((3, 3), np.uint8)
    local_range = cv2.dilate(gray, kernel) - cv2.erode(gray, kernel)
    edges = (local_range >= EDGE_RANGE).astype(np.uint8)
    away = cv2.dilate(edges, np.ones((NEAR_EDGE_PX, NEAR_EDGE_PX), np.uint8)) == 0
    is_smooth = local_range <= SMOOTH_RANGE
    colors, ground = _color_shares(pixels)
    is_drawn = np.abs(pixels.astype(np.int16) - ground).max(axis=2) > 3 * NEAR_COLOR
    num_parts, stroke = _strokes(is_drawn.astype(np.uint8))
    inside = cv2.erode(is_drawn.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    shares = np.bincount(gray.ravel() >> 3, minlength=32) / gray.size
    spread = pixels.max(axis=2).astype(np.int16) - pixels.min(axis=2)
    rim = np.concatenate([gray[0], gray[-1], gray[:, 0], gray[:, -1]])
    tones = np.bincount(gray[away], minlength=256) if away.any() else np.zeros(256)
    return np.array(
        [
            is_smooth.mean(),
            (away & ~is_smooth).mean(),
            edges.mean(),
            colors[0],
            colors[:2].sum(),
            colors[:8].sum(),
            min(1.0, float(rim.std()) / 64),
            -float((shares[shares > 0] * np.log2(shares[shares > 0])).sum()) / 5,
            is_drawn.mean(),
            np.log1p(num_parts) / np.log1p(MAX_PARTS),
            stroke,
            float(is_smooth[inside].mean()) if inside.any() else 1.0,
            float(spread.mean()) / 255,
            float((tones > 0.0005 * gray.size).sum()) / 64,
            min(1.0, float(np.abs(cv2.Laplacian(gray, cv2.CV_16S)).mean()) / 64),
        ],
        dtype=np.float32,
    )


def _color_shares(pixels: Pixels) -> tuple[NDArray[np.float64], NDArray[np.int16]]:
    """Returns the shares of the colors of 4 bits a channel, the most frequent first, and the commonest color."""
    quantized = pixels >> 4
    codes = (quantized[..., 0].astype(np.int32) << 8) | (quantized[..., 1].astype(np.int32) << 4) | quantized[..., 2]
    counts = np.bincount(codes.ravel(), minlength=4_096)
    order = np.argsort(-counts, kind="stable")[:8]
    most = pixels[codes == order[0]]
    return counts[order] / codes.size, np.median(most, axis=0).astype(np.int16)


def _strokes(drawn: Pixels) -> tuple[int, float]:
    """Returns the number of connected parts, and the mean width of what is drawn, as a share of the side, up to 1."""
    num, _, stats, _ = cv2.connectedComponentsWithStats(drawn, connectivity=8)
    num_parts = int((stats[1:num, cv2.CC_STAT_AREA] >= MIN_PART_PX).sum())
    if not drawn.any():
        return 0, 0.0
    distance = cv2.distanceTransform(cv2.copyMakeBorder(drawn, 1, 1, 1, 1, cv2.BORDER_CONSTANT), cv2.DIST_L2, 3)
    return min(num_parts, MAX_PARTS), min(1.0, 4 * float(distance[distance > 0].mean()) / min(drawn.shape) * 4)


# A logistic regression on placeholders of eight kinds and on half of three sets of product images, cut out on
# white too (`benchmarks/placeholders_fit.py`); one weight for each of `FEATURES`.
VERSION = 1  # of the features and weights: scores of another version are computed again
WEIGHTS = (18.72, -22.59, 1.44, -15.82, -3.55, 16.52, 2.61, -5.44, 1.55, 1.82, -15.94, 3.62, 13.74, -2.29, 1.52)
BIAS = -7.61


def drawn_probability(features: NDArray[np.float32]) -> NDArray[np.float64]:
    """Returns the probability that an image is drawn and not photographed, by its features (n, len(FEATURES)): (n,).

    It holds for as many drawn images as photographs; in a catalog there are far fewer.
    """
    logits = np.clip(features.astype(np.float64) @ np.array(WEIGHTS) + BIAS, -50, 50)
    probabilities: NDArray[np.float64] = 1 / (1 + np.exp(-logits))
    return probabilities
