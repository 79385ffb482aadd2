"""Pictures of a size that the tower does not take stop the line before training."""

import pytest

from igllm_pipelines.model.config import TowerConfig
from igllm_pipelines.pipelines.training.nodes import warm_up_tower
from igllm_pipelines.shards.raw import RawData
from tests.shards.official_trees import write_download


def test_official_pictures_are_refused_with_the_reason(tmp_path):
    raw = RawData(write_download(tmp_path) / "CLEVR")
    with pytest.raises(ValueError, match=r"48 x 32 pixels.*padding and resizing"):
        warm_up_tower(
            raw=raw,
            syntax=None,
            checkpoints=tmp_path,
            domain="clevr",
            tower=TowerConfig(kind="conv", image_px=128, channels=(8, 8, 8, 8)),
            warm_up=None,
            seed=0,
        )
