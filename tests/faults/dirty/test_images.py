"""Every dirty image of the table is stored as it should be shown, or has the status that says why it is not stored."""

from collections import Counter
from importlib.util import find_spec
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from catalog.images.decoding import decode
from catalog.images.statuses import Status
from catalog.images.stored_image import ImageRules, StoredImage
from tests.faults.dirty.image_case import ImageCase, patches
from tests.faults.dirty.image_cases import IMAGE_CASES


@pytest.mark.parametrize("case", IMAGE_CASES, ids=lambda case: case.name)
@pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # as in production
def test_dirty_image(case: ImageCase) -> None:
    if case.needs and find_spec(case.needs) is None:
        pytest.skip(f"{case.needs} is not installed (the extra `heic`)")
    decoded = decode(case.content(), ImageRules())
    assert (Status.OK if isinstance(decoded, StoredImage) else decoded) == case.status
    if not isinstance(decoded, StoredImage):
        return
    with Image.open(BytesIO(decoded.data)) as image:
        assert image.format == "JPEG"
        if case.shown is not None:
            wanted = case.shown()
            assert image.size == wanted.size
            assert np.abs(patches(image) - patches(wanted)).max() <= case.tolerance
        colored = image.convert("RGB")
        for (x, y), color in case.at.items():
            shown = colored.getpixel((x % image.width, y % image.height))
            assert np.abs(np.subtract(shown, color)).max() <= case.tolerance, (x, y)
    assert case.shown or case.at


def test_names_are_unique_and_sources_are_named() -> None:
    assert max(Counter(case.name for case in IMAGE_CASES).values()) == 1
    assert all(case.source for case in IMAGE_CASES)
