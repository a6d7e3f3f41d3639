"""The modular agent, and a session of it."""

import pytest
from sessions import session_for

from modnav.networks import build_agent


@pytest.fixture
def modular():
    return build_agent("modular")


@pytest.fixture
def session(modular):
    return session_for(modular)
