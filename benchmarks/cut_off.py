"""Cut off: what a photograph that was cut off in its download is still worth to a classifier.

SHELFSIGHT_PHOTOGRAPHS=FOLDER SHELFSIGHT_GROCERIES=FOLDER make bench NAME=cut_off

Logistic regression on a frozen encoder, fitted on whole photographs; predictions of the same held-out photographs with
some of their rows missing, white or cropped, and of progressive ones with some of their bytes missing. The figures are
why `min_decoded_share` has its default. Ten minutes on two cores. No test image is used.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from io import BytesIO

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from benchmarks.claims import Claim, at_most, figure, publish
from benchmarks.photo_sets import PhotoSet, clothes, groceries
from benchmarks.starting_weights import DEVICE
from catalog.images.decoding import decode
from catalog.images.stored_image import ImageRules, StoredImage
from catalog.storage.cores import num_cores
from ml.embeddings.probes import fit_linear_probes
from ml.encoders.encoder import build, embed
from ml.pixels import decode_pixels
from ml.recipes import IMAGENET_LITE0
from ml.vectors import LabeledEmbeddings

ENCODER = replace(IMAGENET_LITE0, name="imagenet-lite0-160", resolution=160)
WEIGHT_DECAY = 1e-2
SHARES = (0.95, 0.9, 0.8, 0.7, 0.5)
MAX_TRAINING = 2_000
MAX_HELD_OUT = 400
MAX_LOSS = 2.0  # points of top-1, at the default

Damage = Callable[[bytes], bytes]


def main() -> None:
    """Embeds, fits, evaluates and publishes."""
    torch.set_num_threads(num_cores())
    publish("cut_off", [claim for photos in (groceries(), clothes()) for claim in claims_of(photos)])


def claims_of(photos: PhotoSet) -> list[Claim]:
    """Returns the accuracy of whole photographs, and the points that each kind of damage loses."""
    rng = np.random.default_rng(0)
    training = rng.permutation(photos.rows("train"))[:MAX_TRAINING]
    held_out = rng.permutation(photos.rows("val"))[:MAX_HELD_OUT]
    encoder = build(ENCODER)

    def embedded(images: Sequence[bytes]) -> NDArray[np.float32]:
        return embed(encoder, decode_pixels(images, ENCODER.resolution, num_cores(), fit=ENCODER.fit), DEVICE)

    labeled = LabeledEmbeddings(embedded([photos.images[row] for row in training]), photos.leaves[training])
    [probe] = fit_linear_probes(labeled, (WEIGHT_DECAY,), DEVICE)

    def right(damage: Damage) -> NDArray[np.bool_]:
        images = [damage(photos.images[row]) for row in held_out]
        return np.asarray(probe.predict(embedded(images)) == photos.leaves[held_out])

    whole = right(bytes)
    subject = f"{photos.name}, {len(held_out):,} held out, frozen lite0 at {ENCODER.resolution} px"
    claims = [figure(f"{subject}: top-1 of whole photographs", float(whole.mean()), "")]
    damages: list[tuple[str, float, Callable[[bytes, float], bytes]]] = [
        *(("rows there, the others white", share, white_below) for share in SHARES),
        *(("rows there, the others cropped", share, cropped) for share in SHARES),
        *(("bytes of a progressive JPEG there", share, cut_progressive) for share in SHARES),
    ]
    for kind, share, damage in damages:
        loss = 100 * float(whole.mean() - right(partial(damage, share=share)).mean())
        text = f"{subject}, {share:.0%} of the {kind}: loss of top-1"
        is_default = damage is cropped and share == ImageRules().min_decoded_share
        claims.append(at_most(text, loss, MAX_LOSS, "points") if is_default else figure(text, loss, "points"))
        print(claims[-1], flush=True)
    return claims


def white_below(data: bytes, share: float) -> bytes:
    """Makes the rows below a share of them white, as a page shows them."""
    image = Image.open(BytesIO(data)).convert("RGB")
    image.paste("white", (0, round(share * image.height), image.width, image.height))
    return jpeg(image)


def cropped(data: bytes, share: float) -> bytes:
    """Crops the rows below a share of them, as the download does with what a file does not have."""
    image = Image.open(BytesIO(data)).convert("RGB")
    return jpeg(image.crop((0, 0, image.width, round(share * image.height))))


def cut_progressive(data: bytes, share: float) -> bytes:
    """Encodes as progressive JPEG, cuts it off after a share of its bytes, and decodes it as the download does."""
    progressive = jpeg(Image.open(BytesIO(data)).convert("RGB"), progressive=True)
    stored = decode(progressive[: round(share * len(progressive))], ImageRules())
    if not isinstance(stored, StoredImage):
        raise ValueError(f"a progressive JPEG of {share:.0%} of its bytes is {stored}")  # noqa: TRY004 a status
    return stored.data


def jpeg(image: Image.Image, *, progressive: bool = False) -> bytes:
    """Encodes with the quality of stored images."""
    buffer = BytesIO()
    image.save(buffer, "JPEG", quality=ImageRules().quality, progressive=progressive)
    return buffer.getvalue()


if __name__ == "__main__":
    main()
