"""Clients: every module that can open a connection is listed with the reason why it may, and is behind the guard."""

import ast
from collections.abc import Iterator
from functools import cache

import pytest

from tests.conftest import REPOSITORY

PACKAGES = ("catalog", "ml", "resources", "catalog_assets", "shelfsight", "demo")
CLIENTS = frozenset(
    {"aiohttp", "boto3", "botocore", "ftplib", "fsspec", "grpc", "http", "httpx", "huggingface_hub", "paramiko"}
    | {"poplib", "requests", "s3fs", "smtplib", "socket", "socketserver", "ssl", "telnetlib", "tornado"}
    | {"urllib.request", "urllib3", "websockets", "xmlrpc"}
)
# Every module that imports what can open a connection, and why it may.
LISTED = {
    "catalog/network/guards.py": "the guard itself",
    "catalog/network/sessions.py": "sessions behind it",
    "catalog/network/http_files.py": "fsspec's files of web servers behind it",
    "catalog/download/fetching.py": "images and robots.txt: every link is checked, names by `GuardedResolver`",
    "catalog/network/lookup_threads.py": "resolves names for the guard",
    "catalog/download/connections.py": "a connector whose sockets are checked",
    "catalog/download/name_cache.py": "remembers what was resolved",
    "catalog/storage/locks.py": "names this machine in a lock",
    "catalog/feeds/sources.py": "names an error of aiohttp",
    "catalog/feeds/local_copies.py": "fsspec's files of this machine",
    "catalog/storage/read_only.py": "the store, which a setting names",
    "catalog/images/worker_processes.py": "pairs of sockets between processes of this machine",
    "catalog/network/posting.py": "posts through a guarded session",
    "shelfsight/cli/free_ports.py": "looks for a free port of this machine",
    "ml/encoders/hub.py": "constants of timm's hub, whose weights a recipe names",
    "demo/fashion_mnist.py": "the demo's images, at an address that is written there",
}
# What makes a client of its own, and the only modules with a call of it.
MAKERS = {
    "ClientSession": {"catalog/download/fetching.py", "catalog/network/sessions.py"},
    "TCPConnector": {"catalog/network/sessions.py"},
    "CappedConnector": {"catalog/download/fetching.py"},
    "url_to_fs": {"catalog/network/http_files.py"},
    "HTTPFileSystem": set[str](),
    "urlopen": {"demo/fashion_mnist.py"},
    "urlretrieve": set[str](),
    "create_connection": set[str](),
    "open_connection": set[str](),
}


@cache
def sources() -> list[tuple[str, ast.Module]]:
    """The path and the syntax tree of every module that is shipped."""
    paths = [path for package in PACKAGES for path in sorted((REPOSITORY / package).rglob("*.py"))]
    return [(str(path.relative_to(REPOSITORY)), ast.parse(path.read_text())) for path in paths]


def imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module
            yield from (f"{node.module}.{each.name}" for each in node.names)


def is_client(module: str) -> bool:
    parts = module.split(".")
    return any(".".join(parts[:end]) in CLIENTS for end in range(1, len(parts) + 1))


def called(tree: ast.Module) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield getattr(node.func, "attr", getattr(node.func, "id", "")), node


def test_every_module_that_can_open_a_connection_is_listed_with_its_reason() -> None:
    found = {path for path, tree in sources() if any(map(is_client, imported(tree)))}
    assert found == LISTED.keys()


@pytest.mark.parametrize("maker", MAKERS)
def test_clients_are_made_in_the_modules_behind_the_guard_alone(maker: str) -> None:
    assert {path for path, tree in sources() if maker in {name for name, _ in called(tree)}} == MAKERS[maker]


def test_every_connector_resolves_names_through_the_guard() -> None:
    classes = [each for _, tree in sources() for each in ast.walk(tree) if isinstance(each, ast.ClassDef)]
    derived = {each.name for each in classes if any("TCPConnector" in ast.unparse(base) for base in each.bases)}
    connectors = [each for _, tree in sources() for name, each in called(tree) if name in derived | {"TCPConnector"}]
    assert connectors
    for call in connectors:
        assert "GuardedResolver(" in ast.unparse(call)
