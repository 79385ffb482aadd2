"""Random scenes of every domain, and the tokenizers that write their programs."""

from dataclasses import replace

import numpy as np

from igllm_pipelines.domains import DOMAINS, encoding_syntax, parse_encoding
from igllm_pipelines.domains.poses import uniform_quat
from igllm_pipelines.scene.rotations import quat_from_yaw
from igllm_pipelines.scene.scene import Scene, SceneObject
from igllm_pipelines.tokens.encoding import encode_scenes
from igllm_pipelines.tokens.pretrained import pretrained_tokenizer
from igllm_pipelines.tokens.sequences import ProgramTokens
from igllm_pipelines.tokens.tokenizer import train_tokenizer

# of the domains that take their words from the data
FOUND = {
    "6dof": {
        "color": ("blue", "red"),
        "material": ("metal", "rubber"),
        "shape": ("airplane_0000", "airplane_0010"),
    },
    "shapenet": {
        "color": ("blue", "red"),
        "shape": ("chair_0001", "sofa_0020", "table_a-b"),
    },
}
# tokenizer, how [NUM] is had, template
PRETRAINED = [
    ("llama", "existing", "vicuna_v1"),
    ("llama", "added", "plain"),
    ("qwen", "existing", "chat"),
    ("qwen", "added", "plain"),
]


def syntax_of(domain, encoding="float"):
    syntax = DOMAINS[domain].syntax
    words = {**FOUND.get(domain, {}), **syntax.words}
    return encoding_syntax(replace(syntax, words=words), encoding)


def tokenizer_of(case, syntax, folders):
    """The tiny tokenizer, or one of `PRETRAINED`."""
    if case == "tiny":
        return train_tokenizer(syntax)
    kind, num_token, template = case
    return pretrained_tokenizer(
        str(folders[kind]), syntax, num_token=num_token, template=template
    )


def random_scene(syntax, rng, num_objects):
    return Scene(tuple(random_object(syntax, rng) for _ in range(num_objects)), "a.png")


def random_object(syntax, rng):
    words = {name: str(rng.choice(known)) for name, known in syntax.words.items()}
    rotation = uniform_quat(rng)
    if syntax.rotation_rep == "yaw":
        rotation = quat_from_yaw(rng.uniform(-np.pi, np.pi))
    return SceneObject(
        location=tuple(rng.uniform(-99, 99, 3)),
        rotation=tuple(rotation),
        pixel_coords=tuple(rng.uniform(0, 99, 3)),
        **words,
    )


def answer_ids(scene, syntax, encoding, tokenizer, rng=None):
    """Tokens of a training answer, end included; `rng` draws order and synonyms."""
    numbers = parse_encoding(encoding).numbers
    tokens = ProgramTokens(encode_scenes([scene], syntax, numbers, tokenizer))
    return tokens.sequence(0, rng).ids[len(tokens.question_ids) :].tolist()
