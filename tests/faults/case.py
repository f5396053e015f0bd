"""A case of the fault suite: something hostile or broken behind a link, and how the link may end."""

from collections.abc import Callable
from dataclasses import dataclass

from catalog.images.statuses import Status
from tests.catalog.download.raw_server import Reply, response


@dataclass(frozen=True)
class Case:
    """A response of the server to `/NAME`, or a link to elsewhere, and the statuses that are right."""

    name: str
    statuses: frozenset[Status]
    reply: Callable[[], Reply] | None = None
    url: str | None = None


def case(name: str, reply: bytes | Callable[[], Reply], *statuses: Status) -> Case:
    """A case of an reply, whole or made as it is sent."""
    made = (lambda: [reply]) if isinstance(reply, bytes) else reply
    return Case(name, frozenset(statuses), reply=made)


def image_case(name: str, data: bytes, *statuses: Status) -> Case:
    """A case of the bytes of an image, or what passes for one, in a correct response."""
    return case(name, response("200 OK", data, "Content-Type: image/jpeg"), *statuses)


def link(name: str, url: str, *statuses: Status) -> Case:
    """A case of the link itself."""
    return Case(name, frozenset(statuses), url=url)
