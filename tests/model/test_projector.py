import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from igllm_pipelines.model.projector import (
    Projector,
    ProjectorWeightsError,
    sin_cos_positions,
)


def test_sin_cos_positions_equal_the_formula():
    grid = sin_cos_positions(3, 8).numpy()
    for row in range(3):
        for column in range(3):
            expected = []
            for place in (column, row):
                angles = place / 10000 ** (np.arange(2) / 2)
                expected += [*np.sin(angles), *np.cos(angles)]
            np.testing.assert_allclose(grid[row * 3 + column], expected, atol=1e-6)


def test_projector_adds_positions_after_the_norm():
    plain = Projector(6, 8, 9, norm=True)
    placed = Projector(6, 8, 9, norm=True, positions=True)
    placed.load_state_dict(plain.state_dict())  # positions are no weights
    tokens = torch.randn(2, 9, 6)
    difference = placed(tokens) - plain(tokens)
    torch.testing.assert_close(difference[1], sin_cos_positions(3, 8))


def test_projector_dropout_acts_in_training_only():
    projector = Projector(6, 8, 9, dropout=0.5)
    tokens = torch.randn(2, 9, 6)
    assert not torch.equal(projector(tokens), projector(tokens))
    projector.eval()
    torch.testing.assert_close(projector(tokens), projector.linear(tokens))


def llava(kind, in_dim=6, out_dim=8, dtype=torch.float32):
    """Weights as LLaVA names them."""
    if kind == "linear":
        shapes = {"weight": (out_dim, in_dim), "bias": (out_dim,)}
    else:
        shapes = {
            "0.weight": (out_dim, in_dim),
            "0.bias": (out_dim,),
            "2.weight": (out_dim, out_dim),
            "2.bias": (out_dim,),
        }
    start = "model.mm_projector."
    return {f"{start}{n}": torch.randn(s).to(dtype) for n, s in shapes.items()}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_linear_projector_starts_from_llava(tmp_path, dtype):
    weights = llava("linear", dtype=dtype)
    torch.save(weights, tmp_path / "mm_projector.bin")
    projector = Projector(6, 8, 4)
    projector.load(tmp_path / "mm_projector.bin")
    tokens = torch.randn(2, 4, 6)
    weight, bias = (w.float() for w in weights.values())
    torch.testing.assert_close(projector(tokens), tokens @ weight.T + bias)
    assert projector.linear.weight.dtype == torch.float32


@pytest.mark.parametrize("suffix", [".bin", ".safetensors"])
def test_mlp_projector_starts_from_llava(tmp_path, suffix):
    weights = llava("mlp2x_gelu")
    path = tmp_path / f"mm_projector{suffix}"
    (torch.save if suffix == ".bin" else save_file)(weights, path)
    projector = Projector(6, 8, 4, kind="mlp2x_gelu")
    projector.load(path)
    tokens = torch.randn(2, 4, 6)
    w1, b1, w2, b2 = weights.values()
    inner = tokens @ w1.T + b1
    gelu = inner * 0.5 * (1 + torch.erf(inner / 2**0.5))
    torch.testing.assert_close(projector(tokens), gelu @ w2.T + b2)


def test_weights_of_another_shape_are_refused_with_both_shapes(tmp_path):
    torch.save(llava("linear", in_dim=5), tmp_path / "p.bin")
    with pytest.raises(ProjectorWeightsError, match=r"\(8, 5\).*\(8, 6\)"):
        Projector(6, 8, 4).load(tmp_path / "p.bin")


def test_weights_of_another_kind_are_refused(tmp_path):
    torch.save(llava("mlp2x_gelu"), tmp_path / "p.bin")
    with pytest.raises(ProjectorWeightsError, match=r"2\.weight \(8, 8\).*set model"):
        Projector(6, 8, 4).load(tmp_path / "p.bin")


def test_missing_and_broken_files_are_refused(tmp_path):
    with pytest.raises(ProjectorWeightsError, match="no such file"):
        Projector(6, 8, 4).load(tmp_path / "nowhere.bin")
    (tmp_path / "broken.bin").write_bytes(b"PK not a zip")
    with pytest.raises(ProjectorWeightsError, match="cannot be read"):
        Projector(6, 8, 4).load(tmp_path / "broken.bin")


def test_a_file_with_code_is_refused(tmp_path):
    torch.save({"model.mm_projector.weight": Projector(6, 8, 4)}, tmp_path / "p.bin")
    with pytest.raises(ProjectorWeightsError, match="cannot be read"):
        Projector(6, 8, 4).load(tmp_path / "p.bin")


def test_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="resampler"):
        Projector(6, 8, 4, kind="resampler")
