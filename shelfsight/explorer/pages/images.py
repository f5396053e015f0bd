"""Images: the stored image of a product, and its thumbnail, by the name in `ImageName`."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from shelfsight.explorer.access.roles import Reader
from shelfsight.explorer.shard_images import ImageName
from shelfsight.explorer.state import State

router = APIRouter()

# Content of an address never changes, as its hash is in it.
FOREVER = "private, max-age=31536000, immutable"


@router.get("/images/{delivery}/{shard}/{sha256}.jpg")
def image(request: Request, state: State, user: Reader, delivery: str, shard: str, sha256: str) -> Response:
    """Returns the image as it is stored."""
    name = ImageName(delivery, shard, sha256)
    return _unchanged(request, sha256) or _jpeg(state.images.image(name), sha256)


@router.get("/thumbnails/{delivery}/{shard}/{sha256}.jpg")
def thumbnail(request: Request, state: State, user: Reader, delivery: str, shard: str, sha256: str) -> Response:
    """Returns the image, reduced."""
    name = ImageName(delivery, shard, sha256)
    return _unchanged(request, sha256) or _jpeg(state.images.thumbnail(name), sha256)


def _unchanged(request: Request, sha256: str) -> Response | None:
    """Returns the empty response for a browser that has the image."""
    tag = f'"{sha256}"'
    known = [each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")]
    return Response(status_code=304, headers={"ETag": tag, "Cache-Control": FOREVER}) if tag in known else None


def _jpeg(data: bytes, sha256: str) -> Response:
    return Response(data, media_type="image/jpeg", headers={"ETag": f'"{sha256}"', "Cache-Control": FOREVER})
