"""Files of predictions, the paper's and ours, as answers to images."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from igllm_pipelines.metrics.table import paused_gc


class PredictionsError(ValueError):
    """A file of predictions that cannot be used: says where, what, what to do."""


class Answer(NamedTuple):
    """What a model said of one image.

    Attributes:
        program: its text, the numbers written out.
        log_probability: of the whole text, None where the file does not say it.
    """

    program: str
    log_probability: float | None = None


def read_answers(path: Path, split: str) -> dict[str, Answer]:
    """Reads predictions, each under the name or the path of its image.

    Three forms are read: the paper's ``{"answers": {"<path>/<image>": {"outputs":
    "<text>"}}}``, a list of our records (``image``, ``program``) and our records by
    split, ``{"<split>": [...]}``.

    Args:
        path: of the file.
        split: whose records are taken where there are several.

    Raises:
        PredictionsError: the file is missing, no JSON or has another form, or two
            predictions are of one image.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise PredictionsError(f"{path}: no such file of predictions") from error
    except (OSError, ValueError, RecursionError) as error:
        raise PredictionsError(f"{path}: no valid JSON ({error})") from error
    return answers_of(content, split, str(path))


def answers_of(content: Any, split: str, where: str) -> dict[str, Answer]:
    """The predictions that the content of a file holds, see `read_answers`.

    Args:
        content: what the JSON says.
        split: whose records are taken where there are several.
        where: names the file in errors.
    """
    if isinstance(content, dict) and isinstance(content.get("answers"), dict):
        with paused_gc():
            return {
                name: _of_text(answer, where, name)
                for name, answer in content["answers"].items()
            }
    records = content
    if isinstance(content, dict):
        only = next(iter(content.values())) if len(content) == 1 else None
        records = content.get(split, only)
    if not isinstance(records, list):
        raise PredictionsError(
            f"{where}: neither {{'answers': {{image: {{'outputs': text}}}}}} nor "
            "records with 'image' and 'program', as a list or under their split "
            f"{split!r}"
        )
    return _of_records(records, where)


def _of_text(answer: Any, where: str, name: str) -> Answer:
    text = answer.get("outputs") if isinstance(answer, dict) else None
    if not isinstance(text, str):
        raise PredictionsError(f"{where}, {name!r}: 'outputs' is missing or no text")
    return Answer(text)


def _of_records(records: Sequence[Any], file: str) -> dict[str, Answer]:
    answers: dict[str, Answer] = {}
    for index, record in enumerate(records):
        where = f"{file}, record {index}"
        if not isinstance(record, dict):
            raise PredictionsError(f"{where}: a record must be a JSON object")
        image, program = record.get("image"), record.get("program")
        if not isinstance(image, str) or not isinstance(program, str):
            raise PredictionsError(f"{where}: 'image' and 'program' must be texts")
        if image in answers:
            raise PredictionsError(f"{where}: {image!r} is predicted twice")
        answers[image] = Answer(program, record.get("log_probability"))
    return answers


def in_order(
    answers: Mapping[str, Answer], images: Sequence[str]
) -> list[Answer | None]:
    """The answer to each image, None where there is none.

    Args:
        answers: by image name, or by a path that ends in it.
        images: names of the true scenes' images.

    Raises:
        PredictionsError: an answer is of none of the images, or two are of one.

    >>> in_order({"some/where/a.png": Answer("add()")}, ["b.png", "a.png"])
    [None, Answer(program='add()', log_probability=None)]
    """
    known = set(images)
    found: dict[str, Answer] = {}
    for name, answer in answers.items():
        image = name if name in known else name.rpartition("/")[2]
        if image not in known:
            raise PredictionsError(
                f"the predictions name the image {name!r}, the labels do not: are they "
                "of the same split?"
            )
        if image in found:
            raise PredictionsError(f"image {image!r} is predicted twice")
        found[image] = answer
    return [found.get(image) for image in images]
