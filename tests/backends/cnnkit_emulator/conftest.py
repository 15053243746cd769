"""Tests that build many variants of the kernels run only on request: ``--backend emulator``, as tox's."""

import pytest


@pytest.fixture
def only_on_request(request):
    if "emulator" not in request.config.getoption("backend"):
        pytest.skip("it builds kernels for minutes: only with --backend emulator")
