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


@pytest.mark.parametrize(
    "model",
    [
        {"numeric_head": "mixture"},
        {"number_loss": "huber", "huber_delta": 0.05},
        {"normalise_numbers": True},
    ],
)
def test_loss_is_what_the_head_learns_and_mse_stays_in_the_numbers_unit(model):
    model = small_model(float_weight=0.5, **model)
    head, batch = model.numeric_head, small_batch()
    if head.normalised:
        head.fit(torch.tensor([1.0, 5.0]))
    out = model(**batch)
    states = model.hidden_states(
        model.embed(batch["vision"], batch["prefix_ids"], batch["input_ids"])
    )[:, -batch["input_ids"].shape[1] - 1 : -1]
    where = batch["labels"] == NUM_ID
    outputs, numbers = head(states[where]), batch["numbers"][where]
    torch.testing.assert_close(out.number_loss, head.loss(outputs, numbers))
    torch.testing.assert_close(out.loss, out.ce + 0.5 * out.number_loss)
    errors = model.numbers(states[where]).value - numbers
    torch.testing.assert_close(out.number_mse, errors.square().mean())


def feedback_model():
    """A model whose value embedding says something."""
    model = small_model(value_feedback=True).eval()
    torch.manual_seed(1)
    model.numeric_head.feedback.outer.reset_parameters()
    return model


def test_value_is_known_behind_its_token_and_not_before():
    model, batch = feedback_model(), small_batch()
    other = batch["numbers"].clone()
    other[:, 2] += 0.5  # every row has a [NUM] at 2
    states = [
        model.hidden_states(
            model.embed(batch["vision"], batch["prefix_ids"], batch["input_ids"], n)
        )[:, -batch["input_ids"].shape[1] :]
        for n in (batch["numbers"], other)
    ]
    changed = (states[0] - states[1]).abs().amax(dim=(0, 2)) > 1e-6
    assert changed.tolist() == [False, False, True, True, True, True]


def test_value_of_no_num_token_changes_nothing():
    model, batch = feedback_model(), small_batch()
    noise = torch.where(batch["input_ids"] == NUM_ID, batch["numbers"], 7.0)
    torch.testing.assert_close(model(**batch), model(**{**batch, "numbers": noise}))


def test_untrained_feedback_changes_nothing_and_learns():
    plain, fed = small_model(), small_model(value_feedback=True)
    batch = small_batch()
    batch["numbers"][batch["input_ids"] != NUM_ID] = 0
    torch.testing.assert_close(plain(**batch), fed(**batch))
    fed(**batch).loss.backward()
    assert fed.numeric_head.feedback.outer.weight.grad.abs().sum() > 0


def test_number_token_loss_where_numbers_are_text():
    digits = list(range(4, 14))
    model = small_model(
        numeric_head="none",
        number_token_weight=0.3,
        digit_ids=digits,
        value_feedback=True,
    )
    batch = small_batch()
    out = model(**batch)
    assert out.number_loss > 0
    torch.testing.assert_close(out.loss, out.ce + 0.3 * out.number_loss)
    plain = small_model(numeric_head="none")(**batch)
    torch.testing.assert_close(out.ce, plain.ce)


def test_number_token_loss_needs_the_digits():
    with pytest.raises(ValueError, match="ten different digits"):
        small_model(numeric_head="none", number_token_weight=0.3)
    small_model(number_token_weight=0.3)  # a head has no use for it
