"""A training step as it is written first: everything anew in every step.

This is the baseline of ``train.py``: what the paper's code does in a step, in our own
words. Program text is written and tokenized when a sample is loaded, the picture is
decoded from its file, the frozen tower runs, the vocabulary's matrix is applied to
every position, the padding is masked, and AdamW walks over the parameters one by one.
Each of these can be switched off alone.
"""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional

from igllm_pipelines.model.igllm import IGLLM
from igllm_pipelines.scene.program import NUM, ProgramSyntax, attributes_of
from igllm_pipelines.scene.scene import Scene
from igllm_pipelines.tokens.conversation import EOS, QUESTION, answer
from igllm_pipelines.tokens.program_tokenizer import ProgramTokenizer
from igllm_pipelines.tokens.sequences import IGNORE, TokenSequence


class TextSamples:
    """Sequences that are written and tokenized whenever one is asked for.

    Args:
        scenes: the rows.
        syntax: of their programs.
        tokenizer: trained from scratch for the domain.
    """

    def __init__(
        self,
        scenes: Sequence[Scene],
        syntax: ProgramSyntax,
        tokenizer: ProgramTokenizer,
    ) -> None:
        self._scenes = scenes
        self._syntax = syntax
        self._tokenizer: Any = tokenizer.base
        self._num_id = tokenizer.num_id

    def sequence(self, row: int, rng: np.random.Generator | None) -> TokenSequence:
        """The conversation about a row; `rng` shuffles attributes, draws synonyms."""
        program, numbers = self._program(self._scenes[row], rng)
        text = QUESTION + answer(program) + EOS
        ids = np.asarray(self._ids(text), dtype=np.int64)
        labels = ids.copy()
        labels[: len(self._ids(QUESTION))] = IGNORE
        values = np.zeros(len(ids), dtype=np.float32)
        values[ids == self._num_id] = numbers
        return TokenSequence(ids, labels, values)

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def _program(
        self, scene: Scene, rng: np.random.Generator | None
    ) -> tuple[str, list[float]]:
        lines, numbers = "", []
        for obj in scene.left_to_right().objects:
            attributes = attributes_of(obj, self._syntax)
            if rng is not None:
                order = rng.permutation(len(attributes))
                attributes = [attributes[place] for place in order]
            arguments = []
            for name, value in attributes:
                if isinstance(value, str):
                    words = self._syntax.spellings(name, value)
                    word = words[rng.integers(len(words)) if rng is not None else 0]
                    arguments.append(f"{name}='{word}'")
                    continue
                marks = ", ".join([NUM] * len(value))
                arguments.append(
                    f"{name}=({marks})" if len(value) > 1 else name + "=" + NUM
                )
                numbers += [float(self._syntax.format_number(v)) for v in value]
            lines += f"add({', '.join(arguments)})\n"
        return lines, numbers


class PictureFiles:
    """Pictures that are decoded whenever a batch asks for them.

    Args:
        files: PNG data by file name.
    """

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = files

    def batch(self, split: str, filenames: Sequence[str]) -> NDArray[np.uint8]:
        """Images ``(batch, height, width, 3)``."""
        pictures = (Image.open(io.BytesIO(self._files[name])) for name in filenames)
        return np.stack([np.asarray(picture.convert("RGB")) for picture in pictures])


def forward(
    model: IGLLM, batch: Mapping[str, Tensor], *, everywhere: bool, masked: bool
) -> tuple[Tensor, Tensor]:
    """Cross-entropy and the numbers' loss; the model's numbers are not fed back.

    Args:
        model: with a numeric head.
        batch: as `IGLLM.forward` takes it, and ``attention_mask`` if `masked`.
        everywhere: logits of all positions, and not of the labelled ones alone.
        masked: the padding is masked, which causal attention does not need.

    Raises:
        ValueError: the model has no numeric head.
    """
    head = model.numeric_head
    if head is None:
        raise ValueError("this model has no numeric head")
    ids, labels = batch["input_ids"], batch["labels"]
    sequence = model.embed(batch["vision"], batch["prefix_ids"], ids)
    mask = None
    if masked:
        before = sequence.shape[1] - ids.shape[1]
        mask = functional.pad(batch["attention_mask"], (before, 0), value=True)
    states = model.language_model.base_model(
        inputs_embeds=sequence, attention_mask=mask, use_cache=False
    ).last_hidden_state
    predicting = states[:, -ids.shape[1] - 1 : -1]
    if everywhere:
        logits = model.logits(states).float()[:, :-1]
        targets = functional.pad(
            labels, (logits.shape[1] - labels.shape[1], 0), value=IGNORE
        )
        ce = functional.cross_entropy(logits.flatten(0, 1), targets.flatten())
    else:
        labelled = labels != IGNORE
        ce = functional.cross_entropy(
            model.logits(predicting[labelled]), labels[labelled]
        )
    where = labels == model.num_id
    return ce, head.loss(head(predicting[where]), batch["numbers"][where])
