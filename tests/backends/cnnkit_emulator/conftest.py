"""Tests that build many variants of the kernels run only when asked, as `tox -e emulator` does."""

import pytest


@pytest.fixture
def asked(request):
    if "emulator" not in request.config.getoption("backend"):
        pytest.skip("it builds kernels for minutes: only when asked, --backend emulator")
