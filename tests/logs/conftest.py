"""What the tests of CloudWatch Logs share."""

import pytest


@pytest.fixture
def logs(daemon):
    """A CloudWatch Logs client."""
    return daemon.client("logs")
