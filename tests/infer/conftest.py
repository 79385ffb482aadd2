import pytest
import torch

from tests.model.pretrained import WRITERS

torch.set_num_threads(1)  # small tensors: more threads only wait for each other


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    """Small random language models with their tokenizers, by kind."""
    root = tmp_path_factory.mktemp("language_models")
    return {name: write(root / name) for name, write in WRITERS.items()}
