"""Access to the explorer: everybody on loopback, else a token or a password; nothing from other sites."""

import re
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from resources.settings import Settings
from shelfsight.explorer.access.sessions import LIFETIME_S, Sessions
from shelfsight.explorer.access.users import Role, UserFileError, Users
from shelfsight.explorer.application import create_application
from shelfsight.explorer.server import OpenExplorerError, require_access
from tests.shelfsight.explorer.conftest import ADDRESS, client_of

TOKEN = "a-token-of-many-characters"  # noqa: S105
PASSWORD = "correct horse battery"  # noqa: S105


@pytest.fixture
def users(tmp_path: Path) -> Users:
    """A file with a reader and a reviewer."""
    made = Users(tmp_path / "users.json")
    made.add("ada", Role.REVIEWER, PASSWORD)
    made.add("rik", Role.READER, PASSWORD)
    return made


@pytest.fixture
def guarded(tmp_path: Path, users: Users) -> Iterator[TestClient]:
    """The explorer of these users, with a token as well."""
    settings = Settings.read(store=str(tmp_path / "store"), explorer_users=str(users.path), explorer_token=TOKEN)
    with client_of(settings) as client:
        yield client


def log_in(client: TestClient, name: str, password: str, **more: str) -> int:
    token = csrf_of(client, "/login")
    return client.post("/login", data={"name": name, "password": password, "csrf": token, **more}).status_code


def csrf_of(client: TestClient, path: str) -> str:
    found = re.search(r'name="csrf" content="([^"]+)"', client.get(path).text)
    assert found
    return found[1]


def test_on_loopback_everybody_may_look_and_review(empty: TestClient) -> None:
    assert empty.get("/").status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "10.0.0.1", "", "a@localhost:1@x", "[::"])
def test_a_request_for_another_name_is_refused(host: str, empty: TestClient) -> None:
    response = empty.get("/", headers={"host": host})
    assert response.status_code == 403
    assert response.json()["error"]["code"] == "forbidden"


@pytest.mark.parametrize("host", ["localhost:3002", "127.0.0.1:9", "[::1]:3002", "LOCALHOST"])
def test_every_name_of_loopback_is_served(host: str, empty: TestClient) -> None:
    assert empty.get("/", headers={"host": host}).status_code == 200


def test_elsewhere_addresses_and_listed_names_are_served(tmp_path: Path) -> None:
    settings = Settings.read(
        store=str(tmp_path), explorer_host="192.0.2.1", explorer_hosts="catalog.example.org", explorer_token=TOKEN
    )
    headers = {"authorization": f"Bearer {TOKEN}"}
    with client_of(settings) as client:
        for host, status in {"catalog.example.org": 200, "192.0.2.7:3002": 200, "other.example.org": 403}.items():
            assert client.get("/", headers={"host": host, **headers}).status_code == status


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9"},
        {"sec-fetch-site": "cross-site"},
    ],
)
def test_a_form_of_another_site_is_refused(headers: dict[str, str], empty: TestClient) -> None:
    data = {"csrf": csrf_of(empty, "/")}
    assert empty.post("/logout", data=data, headers=headers).status_code == 403
    assert empty.post("/logout", data=data, headers={"origin": ADDRESS}).status_code == 303


def test_a_form_without_the_token_of_its_browser_is_refused(empty: TestClient) -> None:
    token = csrf_of(empty, "/")
    assert empty.post("/logout").status_code == 403
    assert empty.post("/logout", data={"csrf": "x" * len(token)}).status_code == 403
    assert empty.post("/logout", headers={"x-csrf-token": token}).status_code == 303
    empty.cookies.clear()
    assert empty.post("/logout", data={"csrf": token}).status_code == 403


def test_without_a_user_pages_lead_to_the_login_and_the_api_refuses(guarded: TestClient) -> None:
    response = guarded.get("/catalog?text=a%26b")
    assert (response.status_code, response.headers["location"]) == (303, "/login?next=%2Fcatalog%3Ftext%3Da%2526b")
    assert guarded.get("/v1/anything").status_code in {401, 404}
    assert guarded.get("/", headers={"authorization": "Bearer wrong"}).status_code == 303
    assert guarded.get("/", headers={"authorization": f"Bearer {TOKEN}"}).status_code == 200


@pytest.mark.parametrize(("name", "password"), [("ada", PASSWORD), ("rik", PASSWORD), ("somebody", TOKEN)])
def test_a_password_or_the_token_opens_a_session(name: str, password: str, guarded: TestClient) -> None:
    assert log_in(guarded, name, password) == 303
    page = guarded.get("/")
    assert page.status_code == 200
    assert f"<span>{name}</span>" in page.text


@pytest.mark.parametrize(
    ("name", "password"),
    [("ada", "wrong password"), ("nobody", PASSWORD), ("ada", TOKEN), ("ada", "x" * 1_500), ("<b>", TOKEN)],
)
def test_a_wrong_name_or_password_opens_none(name: str, password: str, guarded: TestClient) -> None:
    assert log_in(guarded, name, password) == 401
    assert guarded.get("/").status_code == 303


@pytest.mark.parametrize("place", ["//evil.example", "https://evil.example", "/\\evil.example", "/\t/evil.example", ""])
def test_the_login_leads_to_no_other_site(place: str, guarded: TestClient) -> None:
    token = csrf_of(guarded, "/login")
    form = {"name": "ada", "password": PASSWORD, "csrf": token, "next": place}
    assert guarded.post("/login", data=form).headers["location"] == "/"


def test_a_session_ends_with_its_user_and_with_the_password(guarded: TestClient, users: Users) -> None:
    assert log_in(guarded, "ada", PASSWORD) == 303
    users.add("ada", Role.REVIEWER, "another password")
    assert guarded.get("/").status_code == 303
    assert log_in(guarded, "ada", "another password") == 303
    users.remove("ada")
    assert guarded.get("/").status_code == 303


def test_a_session_expires_and_cannot_be_forged() -> None:
    now = [1_000.0]
    sessions, others = Sessions(b"k" * 32, lambda: now[0]), Sessions(b"o" * 32, lambda: now[0])
    cookie = sessions.cookie("ada", "f")
    session = sessions.session(cookie)
    assert session is not None
    assert session.name == "ada"
    assert others.session(cookie) is None
    assert sessions.session(cookie[:-4] + "AAAA") is None
    for broken in ("", ".", "a.b", "é.é", cookie.split(".")[0]):
        assert sessions.session(broken) is None
    now[0] += LIFETIME_S + 1
    assert sessions.session(cookie) is None


def test_the_key_of_sessions_is_kept_and_private(tmp_path: Path) -> None:
    path = tmp_path / "explorer" / "session.key"
    cookie = Sessions.of_file(path).cookie("ada", "f")
    assert Sessions.of_file(path).session(cookie) is not None
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_file_of_users_is_private_and_has_no_password(users: Users) -> None:
    assert users.path is not None
    assert stat.S_IMODE(users.path.stat().st_mode) == 0o600
    assert PASSWORD not in users.path.read_text()
    assert users.verify("ada", PASSWORD) is not None
    assert users.names() == {"ada": Role.REVIEWER, "rik": Role.READER}


@pytest.mark.parametrize("name", ["", "-a", "a b", "<script>", "a" * 65, "é", "a\n"])
def test_a_name_that_is_none_is_refused(name: str, users: Users) -> None:
    with pytest.raises(UserFileError, match="no name of a user"):
        users.add(name, Role.READER, PASSWORD)


def test_a_broken_file_of_users_stops_the_start(tmp_path: Path) -> None:
    path = tmp_path / "users.json"
    path.write_text('{"users": {"ada": {"role": "king"}}}')
    with pytest.raises(UserFileError, match="no file of users"):
        create_application(Settings.read(store=str(tmp_path / "store"), explorer_users=str(path)))


def test_others_than_this_machine_are_served_only_with_a_token_or_a_user(tmp_path: Path, users: Users) -> None:
    everywhere = {"store": str(tmp_path), "explorer_host": "192.0.2.1"}
    with pytest.raises(OpenExplorerError, match="nobody has to log in"):
        require_access(Settings.read(**everywhere))
    with pytest.raises(OpenExplorerError, match="names nobody"):
        require_access(Settings.read(**everywhere, explorer_users=str(tmp_path / "none.json")))
    with pytest.raises(OpenExplorerError, match="at least 16"):
        require_access(Settings.read(**everywhere, explorer_token="short"))  # noqa: S106
    require_access(Settings.read(**everywhere, explorer_users=str(users.path)))
    require_access(Settings.read(**everywhere, explorer_token=TOKEN))
    for host in ("127.0.0.1", "::1", "localhost"):
        require_access(Settings.read(store=str(tmp_path), explorer_host=host))


def test_a_user_file_on_loopback_still_asks_for_a_login(tmp_path: Path, users: Users) -> None:
    with client_of(Settings.read(store=str(tmp_path), explorer_users=str(users.path))) as client:
        assert client.get("/").status_code == 303


def test_nothing_is_loaded_or_framed_from_elsewhere(empty: TestClient) -> None:
    for path in ("/", "/static/explorer.css", "/nothing", "/login"):
        headers = empty.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"


def test_a_request_of_too_many_bytes_is_refused(tmp_path: Path) -> None:
    with client_of(Settings.read(store=str(tmp_path), explorer_max_upload_bytes=1_000)) as client:
        assert client.post("/login", data={"name": "a" * 2_000, "password": "b"}).status_code == 413
