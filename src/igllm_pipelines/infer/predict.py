"""Predictions as records: an image's program as the model wrote it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from igllm_pipelines.infer.beams import Beams
from igllm_pipelines.infer.config import InferenceConfig
from igllm_pipelines.infer.decode import Prompt, decode
from igllm_pipelines.infer.grammar import ProgramGrammar
from igllm_pipelines.infer.pictures import NamedPictures, Pixels
from igllm_pipelines.infer.rows import Answer
from igllm_pipelines.infer.sampling import Sampler
from igllm_pipelines.infer.search import OneRow, Search
from igllm_pipelines.model.igllm import IGLLM
from igllm_pipelines.model.vision import VisionSource
from igllm_pipelines.scene.program import END, NUM, ProgramSyntax, fill_numbers
from igllm_pipelines.tokens.conversation import ANSWER_CLOSE, ANSWER_OPEN
from igllm_pipelines.tokens.program_tokenizer import ProgramTokenizer

Record = dict[str, Any]


class Predictor:
    """Turns images into prediction records.

    Args:
        model: its numeric head decides whether numbers are text.
        tokenizer: that it was trained with.
        syntax: of the domain's programs.
        config: of the decoding. Its precision, unless ``stored``, is that of the model
            from here on.
    """

    def __init__(
        self,
        model: IGLLM,
        tokenizer: ProgramTokenizer,
        syntax: ProgramSyntax,
        config: InferenceConfig,
    ) -> None:
        self._model = model.eval()
        if config.precision != "stored":
            round_weights(model, getattr(torch, config.precision))
        self._tokenizer = tokenizer
        self._syntax = syntax
        self._config = config
        self._device = next(model.parameters()).device
        self._prompt = Prompt(
            self._tensor(tokenizer.prefix_ids), self._tensor(tokenizer.question_ids)
        )
        self._grammar: ProgramGrammar | None = None
        if config.grammar:
            self._grammar = ProgramGrammar(
                tokenizer,
                int(model.language_model.config.vocab_size),
                syntax,
                config.max_objects,
                numbers_as_text=model.numeric_head is None,
                canonical_order=config.attribute_order == "canonical",
            )

    def decoding(self, config: InferenceConfig) -> "Predictor":
        """The same model, asked in another way."""
        return Predictor(self._model, self._tokenizer, self._syntax, config)

    @property
    def pads(self) -> bool:
        """Whether pictures are padded to a square; else the model sees their middle."""
        return self._model.tower.settings.get("fit") == "pad"

    def predict(
        self,
        vision: VisionSource,
        split: str,
        filenames: Sequence[str],
        *,
        show_progress: bool = True,
        on_answer: Callable[[], object] | None = None,
    ) -> list[Record]:
        """A record for each image, in order.

        Args:
            vision: images or features.
            split: theirs.
            filenames: of the images.
            show_progress: a bar shows how many answers are complete.
            on_answer: called at each complete answer, in place of a bar.

        Returns:
            records with ``image``, ``text`` (as emitted, ``[NUM]`` for numbers),
            ``numbers``, ``program`` (the lines with numbers filled in),
            ``log_probability`` and ``seconds``; ``number_stds``, how unsure each number
            is, where the numeric head says so.
        """
        answers = [Answer()] * len(filenames)
        found = decode(
            self._model,
            self._prompt,
            lambda places: self._vision(vision, split, filenames[places]),
            len(filenames),
            search=self._search(),
            batch_size=self._config.batch_size,
            grammar=self._grammar,
            rng=self._rngs(filenames) if self._config.temperature else None,
        )
        progress = tqdm(
            found,
            total=len(filenames),
            desc=f"infer {split}",
            unit="image",
            disable=not show_progress or on_answer is not None,
            dynamic_ncols=True,
        )
        for place, answer in progress:
            answers[place] = answer
            if on_answer is not None:
                on_answer()
        return list(map(self._record, filenames, answers))

    def predict_pictures(
        self, pictures: Mapping[str, Pixels], *, show_progress: bool = False
    ) -> list[Record]:
        """A record for each picture of any size, as `predict` makes them, in order."""
        vision = NamedPictures(pictures, self._model.tower.settings)
        return self.predict(
            vision, "pictures", list(pictures), show_progress=show_progress
        )

    def _tensor(self, ids: list[int]) -> torch.Tensor:
        return torch.tensor(ids, dtype=torch.int64, device=self._device)

    def _vision(
        self, vision: VisionSource, split: str, filenames: Sequence[str]
    ) -> torch.Tensor:
        return torch.from_numpy(vision.batch(split, filenames)).to(self._device)

    def _search(self) -> Search:
        config, end_id = self._config, self._tokenizer.end_id
        if config.num_beams > 1:
            return Beams(
                config.num_beams, end_id, config.max_tokens, config.length_penalty
            )
        sampler = None
        if config.temperature:
            sampler = Sampler(config.temperature, config.top_k, config.top_p)
        return OneRow(end_id, config.max_tokens, sampler)

    def _rngs(self, images: Sequence[str]) -> Callable[[int], np.random.Generator]:
        def rng(place: int) -> np.random.Generator:
            return np.random.default_rng([self._config.seed, *images[place].encode()])

        return rng

    def _record(self, image: str, answer: Answer) -> Record:
        text = self._tokenizer.decode(answer.ids)
        text = text.removeprefix(self._tokenizer.conversation.lead)
        closed = text if answer.finished or not self._grammar else whole_lines(text)
        numbers = answer.numbers[: closed.count(NUM)]
        return {
            "image": image,
            "text": text,
            "numbers": answer.numbers,
            **({"number_stds": answer.stds} if answer.stds else {}),
            "program": program_of(fill_numbers(closed, numbers, self._syntax)),
            "log_probability": answer.log_probability,
            "seconds": answer.seconds,
        }


def round_weights(model: IGLLM, dtype: torch.dtype) -> None:
    """Changes the precision of projector and language model in place.

    Buffers stay as they are, for rotary positions need their precision; so do tower
    and numeric head.
    """
    for part in (model.projector, model.language_model):
        for weight in part.parameters():
            if weight.is_floating_point():
                weight.data = weight.data.to(dtype)


def whole_lines(text: str) -> str:
    r"""What is left of an answer that was cut off: its whole lines.

    >>> whole_lines("```python\nadd(x=1)\nadd(x=")
    '```python\nadd(x=1)\n'
    """
    last = text.rfind(END)
    return text[: last + len(END)] if last >= 0 else ANSWER_OPEN


def program_of(text: str) -> str:
    r"""The program inside an answer; the whole text where it has another form.

    >>> program_of("The scene can be produced with:\n```python\nadd()\n```")
    'add()\n'
    """
    return text.removeprefix(ANSWER_OPEN).removesuffix(ANSWER_CLOSE)
