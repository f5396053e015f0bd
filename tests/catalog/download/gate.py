"""A gate before a shop's images, so that a test knows how far a download has come when it is killed."""

import math
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from demo.shop import ImageSource, Shop


class Gate:
    """Lets a number of images through, and then blocks the shop's thread until it lets more through."""

    def __init__(self, images: ImageSource, num_images: float = 0) -> None:
        self._images = images
        self._left = num_images
        self._changed = threading.Condition()

    def __call__(self, image_id: str) -> bytes | None:
        with self._changed:
            self._changed.wait_for(lambda: self._left > 0)
            self._left -= 1
        return self._images(image_id)

    def let_through(self, num_images: float) -> None:
        """Sets the number of images that pass from now on; infinity opens the gate."""
        with self._changed:
            self._left = num_images
            self._changed.notify_all()

    @property
    def is_closed(self) -> bool:
        """True once all images of that number have passed."""
        with self._changed:
            return self._left <= 0


@contextmanager
def opening(gate: Gate) -> Iterator[None]:
    """Opens the gate at the end of the block, without which the shop would not close."""
    try:
        yield
    finally:
        gate.let_through(math.inf)


def requests_when_quiet(shop: Shop) -> Counter[str]:
    """The requests so far, once those that the killed client left behind have been served."""
    while True:
        before = shop.requests.copy()
        time.sleep(0.1)
        if shop.requests == before:
            return before
