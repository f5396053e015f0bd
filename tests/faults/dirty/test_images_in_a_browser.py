"""A browser shows the pixels that are stored, or the table says why not: every image is drawn by a real Chromium."""

from base64 import b64decode, b64encode
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from catalog.images.decoding import decode
from catalog.images.statuses import Status
from catalog.images.stored_image import ImageRules, StoredImage
from tests.end_to_end.browser import browsing
from tests.faults.dirty.image_case import ImageCase, patches
from tests.faults.dirty.image_cases import IMAGE_CASES

TOLERANCE = 12  # levels: both differ from what is right by JPEG and rounding
DRAW = """
const [urls, done] = arguments;
async function drawn(url) {
  const image = new Image();
  const isShown = await new Promise(end => {
    image.onload = () => end(true);
    image.onerror = () => end(false);
    image.src = url;
  });
  if (!isShown) return null;
  const canvas = document.createElement('canvas');
  canvas.width = image.naturalWidth;
  canvas.height = image.naturalHeight;
  const context = canvas.getContext('2d', {willReadFrequently: true});
  context.fillStyle = 'white';
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(image, 0, 0);
  const levels = context.getImageData(0, 0, canvas.width, canvas.height).data;
  let text = '';
  for (let start = 0; start < levels.length; start += 8192)
    text += String.fromCharCode.apply(null, levels.subarray(start, start + 8192));
  return [canvas.width, canvas.height, btoa(text)];
}
(async () => { const all = []; for (const url of urls) all.push(await drawn(url)); done(all); })();
"""


def drawn(images: list[bytes]) -> list[Image.Image | None]:
    """Draws images on white in a browser; None where it shows none."""
    with browsing("about:blank") as page:
        page.driver.set_script_timeout(60)
        urls = [f"data:image/jpeg;base64,{b64encode(data).decode()}" for data in images]  # it goes by the content
        found = page.driver.execute_async_script(DRAW, urls)
    return [None if each is None else image(*each) for each in found]


def image(width: int, height: int, levels: str) -> Image.Image:
    return Image.frombytes("RGBA", (width, height), b64decode(levels)).convert("RGB")


def is_like(case: ImageCase, stored: StoredImage, shown: Image.Image) -> bool:
    """Returns whether a browser shows what is stored."""
    with Image.open(BytesIO(stored.data)) as opened:
        image = opened.convert("RGB")
    if image.width == shown.width and image.height < shown.height:  # cropped to the rows that are there
        shown = shown.crop((0, 0, *image.size))
    elif image.height == shown.height and image.width < shown.width:  # and turned
        shown = shown.crop((shown.width - image.width, 0, shown.width, shown.height))
    if image.size != shown.size:
        return False
    if case.shown is not None:
        return bool(np.abs(patches(image) - patches(shown)).max() <= max(TOLERANCE, 2 * case.tolerance))
    return all(
        np.abs(np.subtract(shown.getpixel((x % shown.width, y % shown.height)), color)).max() <= case.tolerance
        for (x, y), color in case.at.items()
    )


@pytest.mark.browser
def test_a_browser_shows_what_is_stored() -> None:
    cases = [case for case in IMAGE_CASES if not case.needs and not case.versions_differ]
    contents = [case.content() for case in cases]
    wrong = []
    for case, content, shown in zip(cases, contents, drawn(contents), strict=True):
        stored = decode(content, ImageRules())
        if isinstance(stored, StoredImage):
            is_same = shown is not None and is_like(case, stored, shown)
        else:
            is_same = shown is None
        if is_same == bool(case.differs):
            wrong.append((case.name, case.differs or f"{Status.OK if isinstance(stored, StoredImage) else stored}"))
    assert not wrong
