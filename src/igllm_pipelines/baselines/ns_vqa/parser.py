"""The scene parser: both networks together, from a picture to a scene; its folder."""

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from igllm_pipelines.baselines.ns_vqa.batches import Vocabulary
from igllm_pipelines.baselines.ns_vqa.config import NsvqaConfig
from igllm_pipelines.baselines.ns_vqa.describer import Describer
from igllm_pipelines.baselines.ns_vqa.detector import Segments, build_detector, detect
from igllm_pipelines.scene.scene import Scene, SceneObject

CONFIG, WEIGHTS = "config.json", "model.safetensors"


class SceneParser(nn.Module):
    """Mask R-CNN and the network that describes what it finds.

    Args:
        config: of both.
        vocabulary: the words of each attribute.
        seed: of the first weights.

    Raises:
        ValueError: a file of weights does not fit.
    """

    def __init__(self, config: NsvqaConfig, vocabulary: Vocabulary, seed: int) -> None:
        super().__init__()
        self.config = config
        self.vocabulary = dict(vocabulary)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.detector = build_detector(config)
            torch.manual_seed(seed)  # whatever the detector drew
            self.describer = Describer(config, vocabulary)

    @torch.no_grad()
    def parse(self, pictures: Tensor) -> list[tuple[Scene, float]]:
        """The scene of each picture, and the log-probability of finding and words.

        Args:
            pictures: ``(batch, 3, height, width)`` in [0, 1].
        """
        self.eval()
        pictures = pictures.to(next(self.parameters()).device)
        found = detect(self.detector, pictures)
        # one by one: the size of the batch then changes no rounding
        return [
            self._scene(picture[None], one)
            for picture, one in zip(pictures, found, strict=True)
        ]

    def _scene(self, picture: Tensor, found: Segments) -> tuple[Scene, float]:
        if not len(found.boxes):
            return Scene(()), 0.0
        described = self.describer(picture, [found])
        sure = [logits.log_softmax(dim=1).max(dim=1) for logits in described.words]
        words = torch.stack([indices for _, indices in sure], dim=1).tolist()
        chances = [found.scores.log(), *(values for values, _ in sure)]
        objects = [
            self._object(*row)
            for row in zip(
                words,
                described.location.tolist(),
                found.boxes.tolist(),
                strict=True,
            )
        ]
        return Scene(tuple(objects)), float(torch.cat(chances).sum())

    def _object(
        self, words: Sequence[int], location: Sequence[float], box: Sequence[float]
    ) -> SceneObject:
        x, y, z = location
        names = {
            name: known[index]
            for (name, known), index in zip(self.vocabulary.items(), words, strict=True)
        }
        # the depth is not known; programs need the order from left to right
        middle = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2, 0.0)
        return SceneObject(location=(x, y, z), pixel_coords=middle, **names)  # type: ignore[arg-type]


def save_parser(parser: SceneParser, folder: Path) -> None:
    """Writes a parser; the folder appears whole or not at all."""
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    settings = {"config": asdict(parser.config), "vocabulary": parser.vocabulary}
    text = json.dumps(settings, indent=2, sort_keys=False) + "\n"
    (partial / CONFIG).write_text(text, encoding="utf-8")
    tensors = {k: v.cpu().contiguous() for k, v in parser.state_dict().items()}
    save_file(tensors, partial / WEIGHTS, metadata={"format": "pt"})
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(partial, folder)


def load_parser(folder: Path) -> SceneParser:
    """Reads a parser in evaluation mode, strictly.

    Raises:
        ValueError: a file is missing or broken, or the weights do not fit.
    """
    try:
        settings = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        words = {name: tuple(known) for name, known in settings["vocabulary"].items()}
        # the stored weights hold all: those that training began with are not needed
        sources = {"detector_weights": None, "describer_weights": None}
        config = NsvqaConfig(**{**settings["config"], **sources})
        parser = SceneParser(config, words, seed=0)
        parser.load_state_dict(load_file(folder / WEIGHTS))
    except (
        *(OSError, KeyError, TypeError, ValueError, AttributeError, RuntimeError),
        SafetensorError,
    ) as error:
        raise ValueError(
            f"{folder}: no scene parser ({error}); delete the folder and train again"
        ) from error
    return parser.eval()
