from dataclasses import replace

import pytest
import torch

from igllm_pipelines.train.compiled import blocks, compiled_blocks, eagerly
from tests.model.small import small_batch, small_model
from tests.train import tiny

# torch looks at .grad of what it compiles; as an error, the warning ends the look
pytestmark = pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")


def losses(model, batch):
    model.zero_grad()
    output = model(**batch)
    output.loss.backward()
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    return output.loss.detach(), torch.cat([g.flatten() for g in gradients])


def compiled_calls(model):
    return [m for m in model.modules() if m._compiled_call_impl is not None]


def test_blocks_are_the_layers_of_tower_and_language_model():
    names = [type(block).__name__ for block in blocks(small_model(layers=3))]
    assert names == ["ResidualAttentionBlock"] * 2 + ["LlamaDecoderLayer"] * 3


def test_compiled_blocks_give_the_same_losses_and_gradients():
    model, batch = small_model(layers=2).train(), small_batch()
    names = list(model.state_dict())
    plain = losses(model, batch)
    with compiled_blocks(model, True, backend="aot_eager"):
        assert compiled_calls(model) == list(blocks(model))
        for mine, expected in zip(losses(model, batch), plain, strict=True):
            torch.testing.assert_close(mine, expected, rtol=1e-4, atol=1e-6)
        assert list(model.state_dict()) == names
    assert not compiled_calls(model)


def test_nothing_is_compiled_unless_asked_for():
    model = small_model()
    with compiled_blocks(model, False):
        assert not compiled_calls(model)


def test_blocks_are_as_before_after_an_error():
    model = small_model()
    with pytest.raises(KeyError), compiled_blocks(model, True):
        raise KeyError
    assert not compiled_calls(model)


def test_eagerly_compiles_nothing():
    called = []

    def backend(graph, inputs):
        called.append(graph)
        return graph.forward

    model, batch = small_model().eval(), small_batch()
    with compiled_blocks(model, True, backend=backend):
        eagerly(model)(**batch)
        assert not called
        model(**batch)
        assert called


@pytest.mark.slow
def test_compiled_training_ends_with_the_same_weights(tmp_path):
    config = replace(tiny.CONFIG, steps=6, log_every=2, save_every=0)
    plain, history = tiny.run(tmp_path / "plain", config=config)
    fast, other = tiny.run(tmp_path / "fast", config=replace(config, compile=True))
    assert [record["step"] for record in other] == [r["step"] for r in history]
    for mine, expected in zip(fast.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(mine, expected, rtol=1e-3, atol=1e-4)
