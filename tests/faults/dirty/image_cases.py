"""All dirty images, by what is odd about them."""

from tests.faults.dirty import colored_images, damaged_images, formatted_images
from tests.faults.dirty.image_case import ImageCase

IMAGE_CASES: tuple[ImageCase, ...] = (*damaged_images.CASES, *colored_images.CASES, *formatted_images.CASES)
