"""Files of animals, for the tests that read them."""

import pytest
from monkey_files import FORMS


@pytest.fixture(params=list(FORMS))
def form(request):
    """Each way to pickle a table."""
    return FORMS[request.param]


@pytest.fixture
def write(tmp_path):
    """Write bytes into a file."""

    def written(content, name="monkey.pkl"):
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return written
