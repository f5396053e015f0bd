"""Roles: a reader can look, and only a reviewer or an admin can change something."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from resources.settings import Settings
from shelfsight.explorer.access.roles import Reader, Reviewer
from shelfsight.explorer.access.users import Role, Users
from shelfsight.explorer.application import create_application
from tests.shelfsight.explorer.conftest import ADDRESS
from tests.shelfsight.explorer.test_access import PASSWORD, csrf_of, log_in


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    """The explorer with one user of each role, and with a route that reads and one that writes."""
    users = Users(tmp_path / "users.json")
    for role in Role:
        users.add(role.name.lower(), role, PASSWORD)
    application = create_application(Settings.read(store=str(tmp_path / "store"), explorer_users=str(users.path)))

    @application.get("/looking")
    def looking(user: Reader) -> str:
        return user.name

    @application.post("/writing")
    def writing(user: Reviewer) -> str:
        return user.name

    with TestClient(application, base_url=ADDRESS, follow_redirects=False) as client:
        yield client


@pytest.mark.parametrize(("name", "status"), [("reader", 403), ("reviewer", 200), ("admin", 200)])
def test_only_reviewers_and_admins_write(name: str, status: int, client: TestClient) -> None:
    assert log_in(client, name, PASSWORD) == 303
    assert client.get("/looking").json() == name
    token = csrf_of(client, "/")
    assert client.post("/writing", headers={"x-csrf-token": token}).status_code == status
    assert client.post("/writing").status_code == 403


def test_nobody_writes_without_a_login(client: TestClient) -> None:
    token = csrf_of(client, "/login")
    assert client.post("/writing", headers={"x-csrf-token": token}).status_code == 401
    assert client.get("/looking").status_code == 303
