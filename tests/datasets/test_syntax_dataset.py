"""The syntax of a domain's programs survives its file."""

import pytest

from igllm_pipelines.datasets.syntax import SyntaxDataset
from igllm_pipelines.domains import DOMAINS, encoding_syntax


@pytest.mark.parametrize("domain", sorted(DOMAINS))
def test_syntax_round_trip(tmp_path, domain):
    dataset = SyntaxDataset(filepath=str(tmp_path / "new" / "syntax.json"))
    assert not dataset.exists()
    dataset.save(DOMAINS[domain].syntax)
    assert dataset.load() == DOMAINS[domain].syntax
    # the order of the words is that of the dense labels
    assert list(dataset.load().words) == list(DOMAINS[domain].syntax.words)


def test_loaded_syntax_takes_another_representation(tmp_path):
    dataset = SyntaxDataset(filepath=str(tmp_path / "syntax.json"))
    dataset.save(DOMAINS["so3"].syntax)
    assert encoding_syntax(dataset.load(), "float_quat").num_components("rotation") == 4
