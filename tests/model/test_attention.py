"""The library chooses the attention kernel; the fast ones need causality by name."""

import pytest
from torch.nn import functional

from tests.model.small import small_batch, small_model


@pytest.fixture
def calls(monkeypatch):
    original, seen = functional.scaled_dot_product_attention, []

    def attention(query, key, value, attn_mask=None, **kwargs):
        seen.append((attn_mask is None, kwargs.get("is_causal", False)))
        return original(query, key, value, attn_mask=attn_mask, **kwargs)

    monkeypatch.setattr(functional, "scaled_dot_product_attention", attention)
    return seen


def test_training_hands_causality_and_no_mask_to_the_kernel(calls):
    model = small_model(layers=3)
    model.tower.requires_grad_(False).eval()
    model(**small_batch())
    assert [call for call in calls if call[1]] == [(True, True)] * 3
    assert all(maskless for maskless, _ in calls)
