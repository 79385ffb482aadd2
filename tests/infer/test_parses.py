"""With the grammar, every output of a model with random weights is a program.

500 outputs: 20 settings of 25 images each, over domains, encodings, representations of
rotations, tokenizers, orders; greedy, drawn and cut off.
"""

from typing import NamedTuple

import pytest
import torch

from igllm_pipelines.infer.config import InferenceConfig
from igllm_pipelines.infer.predict import Predictor
from igllm_pipelines.model.build import build_model, build_tower
from igllm_pipelines.model.config import ModelConfig
from igllm_pipelines.scene.parser import parse_program
from tests.infer.programs import PRETRAINED, syntax_of, tokenizer_of
from tests.infer.test_predict import NoiseImages
from tests.model.small import TOWER, small_model

LLAMA, LLAMA_ADDED, QWEN, QWEN_ADDED = PRETRAINED
NAMES = [str(index) for index in range(25)]
MAX_OBJECTS = 2


class Setting(NamedTuple):
    domain: str
    encoding: str
    tokenizer: str | tuple[str, str, str]
    temperature: float = 0.0
    max_tokens: int = 512
    order: str = "any"


SETTINGS = [
    Setting("2d", "char", "tiny"),
    Setting("2d", "float", LLAMA, 1.0),
    Setting("2d", "char", QWEN, 1.0, 30),
    Setting("2d", "float", "tiny", 2.0, 20, "canonical"),
    Setting("clevr", "char", "tiny", 1.0),
    Setting("clevr", "float", "tiny", 0.0, 512, "canonical"),
    Setting("clevr", "float", LLAMA, 1.0, 100),
    Setting("clevr", "char", LLAMA_ADDED, 0.0, 120),
    Setting("clevr", "float", QWEN, 1.0, 512, "canonical"),
    Setting("clevr", "char", QWEN_ADDED, 2.0, 150),
    Setting("so3", "char_euler", "tiny"),
    Setting("so3", "char_euler_int", QWEN, 1.0),
    Setting("so3", "char_aa", LLAMA),
    Setting("so3", "char", QWEN_ADDED, 1.0, 60),
    Setting("so3", "float_quat", LLAMA_ADDED, 1.0),
    Setting("6dof", "char_quat", "tiny", 1.0),
    Setting("6dof", "float", QWEN, 0.0, 90),
    Setting("6dof", "float_aa", LLAMA, 1.0, 512, "canonical"),
    Setting("shapenet", "float_euler", QWEN_ADDED, 2.0),
    Setting("shapenet", "char", "tiny", 0.0, 70, "canonical"),
]


def random_model(setting, tokenizer, folders):
    """A model whose answers differ from image to image."""
    head = "none" if setting.encoding.startswith("char") else "linear"
    sizes = {"vocab_size": len(tokenizer), "num_id": tokenizer.num_id, "seed": 0}
    if setting.tokenizer == "tiny":
        model = small_model(numeric_head=head, **sizes)
    else:
        kind, num_token, template = setting.tokenizer
        config = ModelConfig(
            pretrained=str(folders[kind]),
            num_token=num_token,
            template=template,
            lora_r=2,
            numeric_head=head,
        )
        model = build_model(build_tower(TOWER, 0), config, **sizes)
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(3 if weight.ndim > 1 else 1)
    return model.eval()


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda s: f"{s.domain}-{s.encoding}")
def test_every_output_of_random_weights_parses(setting, folders):
    syntax = syntax_of(setting.domain, setting.encoding)
    tokenizer = tokenizer_of(setting.tokenizer, syntax, folders)
    config = InferenceConfig(
        batch_size=len(NAMES),
        max_tokens=setting.max_tokens,
        max_objects=MAX_OBJECTS,
        attribute_order=setting.order,
        temperature=setting.temperature,
    )
    model = random_model(setting, tokenizer, folders)
    records = Predictor(model, tokenizer, syntax, config).predict(
        NoiseImages(), "val_ID", NAMES, show_progress=False
    )
    texts = {record["text"] for record in records}
    assert len(texts) > 1 or not setting.temperature
    for record in records:
        objects = parse_program(record["program"], syntax).objects
        finished = record["text"].count("```") == 2
        assert finished <= len(objects) <= MAX_OBJECTS
        assert finished or setting.max_tokens < 512
        assert len(objects) == record["program"].count("\n")
        for obj in objects:
            assert all(getattr(obj, name) for name in syntax.words)
