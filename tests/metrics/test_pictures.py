"""Metrics of pictures against their formulas."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from igllm_pipelines.metrics.pictures import mask_ious, psnr, ssim


@pytest.fixture
def pictures():
    rng = np.random.default_rng(0)
    target = rng.integers(0, 256, size=(40, 32, 3)).astype(np.uint8)
    noise = rng.normal(0, 20, size=target.shape)
    return np.clip(target + noise, 0, 255).astype(np.uint8), target


def plain_ssim(a, b) -> float:
    """Wang et al. 2004 on one channel; the border of the window is left out."""
    a, b = a.astype(float), b.astype(float)

    def blur(x):
        return gaussian_filter(x, 1.5, truncate=3.5)

    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    ma, mb = blur(a), blur(b)
    va, vb, cov = blur(a * a) - ma**2, blur(b * b) - mb**2, blur(a * b) - ma * mb
    top = (2 * ma * mb + c1) * (2 * cov + c2)
    index = top / ((ma**2 + mb**2 + c1) * (va + vb + c2))
    return index[5:-5, 5:-5].mean()


def test_psnr_equals_its_formula(pictures) -> None:
    a, b = pictures
    mse = np.mean((a.astype(int) - b.astype(int)) ** 2)
    assert psnr(a, b) == pytest.approx(20 * np.log10(255 / np.sqrt(mse)))
    assert psnr(a, a) == np.inf


def test_ssim_equals_its_formula(pictures) -> None:
    a, b = pictures
    expected = np.mean([plain_ssim(a[..., i], b[..., i]) for i in range(3)])
    assert ssim(a, b) == pytest.approx(expected, abs=1e-9)
    assert ssim(a[..., 0], b[..., 0]) == pytest.approx(plain_ssim(a[..., 0], b[..., 0]))
    assert ssim(a, a) == pytest.approx(1)


def test_pictures_of_two_sizes_are_refused(pictures) -> None:
    a, b = pictures
    for metric in (psnr, ssim):
        with pytest.raises(ValueError, match="do not compare"):
            metric(a, b[:20])
    with pytest.raises(ValueError, match="do not compare"):
        mask_ious(np.zeros((2, 2), int), np.zeros((2, 3), int), np.ones((1, 2), int))


def test_mask_iou_equals_counting() -> None:
    rng = np.random.default_rng(0)
    preds, target = rng.integers(0, 5, size=(2, 20, 30))
    pairs = np.array([[1, 1], [2, 4], [4, 3], [6, 7], [3, 6]])
    expected = []
    for i, j in pairs:
        either = ((preds == i) | (target == j)).sum()
        both = ((preds == i) & (target == j)).sum()
        expected.append(both / either if either else np.nan)
    np.testing.assert_allclose(mask_ious(preds, target, pairs), expected)
    assert np.isnan(expected[3])
    assert len(mask_ious(preds, target, pairs[:0])) == 0
