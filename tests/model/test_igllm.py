import pytest
import torch

from tests.model.small import CONV, NUM_ID, small_batch, small_model


def reference_losses(model, batch):
    """Cross-entropy and MSE over full logits, position by position."""
    image = model.projector(model.tower(batch["vision"]))
    embed = model.language_model.get_input_embeddings()
    nll, squares = [], []
    for row, ids in enumerate(batch["input_ids"]):
        sequence = torch.cat([embed(batch["prefix_ids"]), image[row], embed(ids)])
        out = model.language_model(
            inputs_embeds=sequence[None], output_hidden_states=True
        )
        probabilities = out.logits[0].double().softmax(-1)
        for place, label in enumerate(batch["labels"][row].tolist()):
            if label == -100:
                continue
            before = len(batch["prefix_ids"]) + image.shape[1] + place - 1
            nll.append(-probabilities[before, label].log())
            if label == NUM_ID:
                value = model.numeric_head(out.hidden_states[-1][0, before])[0]
                squares.append((value - batch["numbers"][row, place]).double() ** 2)
    return torch.stack(nll).mean(), torch.stack(squares).mean()


@pytest.mark.parametrize("head", ["linear", "tanh_mlp_gelu"])
def test_forward_equals_full_logits_one_position_after_the_other(head):
    model = small_model(numeric_head=head, float_weight=0.5)
    batch = small_batch()
    out = model(**batch)
    ce, mse = reference_losses(model, batch)
    torch.testing.assert_close(out.ce.double(), ce, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(out.number_mse.double(), mse, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(out.loss, out.ce + 0.5 * out.number_mse)


def test_forward_gives_the_gradients_of_full_logits():
    model = small_model()
    batch = small_batch()
    model(**batch).loss.backward()
    ours = {n: p.grad.clone() for n, p in model.named_parameters() if p.requires_grad}
    model.zero_grad()
    ce, mse = reference_losses(model, batch)
    (ce + mse).backward()
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            torch.testing.assert_close(ours[name], parameter.grad, atol=1e-5, rtol=1e-3)


def test_forward_does_not_see_padding():
    model = small_model()
    batch = small_batch()
    longer = {
        name: torch.nn.functional.pad(batch[name], (0, 4), value=fill)
        for name, fill in (("input_ids", 7), ("labels", -100), ("numbers", 0))
    }
    torch.testing.assert_close(model(**batch), model(**{**batch, **longer}))


def test_forward_without_head_has_no_number_loss():
    model = small_model(numeric_head="none")
    out = model(**small_batch())
    assert out.number_mse == 0
    assert out.loss == out.ce
    with pytest.raises(ValueError, match="no numeric head"):
        model.numbers(torch.zeros(1, 32))


def test_forward_without_numbers_in_the_batch():
    model = small_model()
    batch = small_batch()
    batch["labels"][batch["labels"] == NUM_ID] = -100
    assert model(**batch).number_mse == 0


def test_cached_features_give_the_same_as_images():
    model = small_model(CONV).eval()
    batch = small_batch(image_px=32)
    with torch.no_grad():
        features = model.tower(batch["vision"])
        images = model(**batch)
        cached = model(**{**batch, "vision": features})
        half = model(**{**batch, "vision": features.half()})
    torch.testing.assert_close(images, cached)
    torch.testing.assert_close(images, half, atol=1e-2, rtol=1e-2)


def test_features_of_another_tower_are_refused():
    with pytest.raises(ValueError, match="cache the features again"):
        small_model(CONV).vision_tokens(torch.zeros(1, 64, 96))


def test_frozen_tower_gets_no_gradient():
    frozen = small_model(CONV)
    frozen(**small_batch(image_px=32)).loss.backward()
    assert all(p.grad is None for p in frozen.tower.parameters())
    assert all(p.grad is not None for p in frozen.projector.parameters())


def test_trained_tower_gets_gradients():
    model = small_model()
    model(**small_batch()).loss.backward()
    missing = [n for n, p in model.tower.named_parameters() if p.grad is None]
    assert missing == ["transformer.positional_embedding"]
