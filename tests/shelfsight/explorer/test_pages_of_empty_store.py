"""Every page renders over an empty store and says which command fills it."""

import pytest
from starlette.testclient import TestClient

from shelfsight.explorer.navigation import NAVIGATION


@pytest.mark.parametrize("path", [path for path, _ in NAVIGATION])
def test_a_page_of_an_empty_store_names_the_command_that_fills_it(path: str, empty: TestClient) -> None:
    response = empty.get(path)
    assert response.status_code == 200
    assert "shelfsight run" in response.text
