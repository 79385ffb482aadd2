import pytest

from tests.model.pretrained import WRITERS


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    """Small random language models with their tokenizers, by kind."""
    root = tmp_path_factory.mktemp("language_models")
    return {name: write(root / name) for name, write in WRITERS.items()}
