import pytest


@pytest.fixture(autouse=True, scope="session")
def _own_reference_cache(tmp_path_factory):
    """Reference log-probs of these tests stay out of the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ONDO_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
