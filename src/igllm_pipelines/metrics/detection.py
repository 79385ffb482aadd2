"""Objects found, missed and invented: precision, recall, F1, average precision.

A predicted object is a true positive at a distance threshold where it is matched with a
true object that lies no further away. The pairs are those of `matching`, the same for
all thresholds. The objects of an answer that does not parse are all missed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from igllm_pipelines.metrics.matching import Matches
from igllm_pipelines.metrics.sums import SceneSums, Statistic
from igllm_pipelines.metrics.table import FloatArray, Scenes, as_table

THRESHOLDS_M = (0.1, 0.25, 0.5, 1.0)
AVERAGE_PRECISION = "average_precision"


def detection_sums(
    matches: Matches, preds: Scenes, target: Scenes, threshold: float
) -> dict[str, SceneSums]:
    """Percent ``precision``, ``recall`` and ``f1`` by scene.

    Precision is ``tp / predicted``, recall ``tp / true`` and F1
    ``2 tp / (predicted + true)``, each counted over the objects of all scenes.

    Args:
        matches: of the two lists of scenes.
        preds: predicted scenes.
        target: true scenes.
        threshold: the largest distance of a true positive, in the units of locations.

    >>> from igllm_pipelines.metrics.matching import match_scenes
    >>> from igllm_pipelines.scene import Scene, SceneObject
    >>> near, far = (SceneObject(location=(x, 0, 0)) for x in (0, 5))
    >>> preds, target = [Scene((near,))], [Scene((near, far))]
    >>> sums = detection_sums(match_scenes(preds, target), preds, target, 0.1)
    >>> {name: round(part.value, 1) for name, part in sums.items()}
    {'precision': 100.0, 'recall': 50.0, 'f1': 66.7}
    """
    guessed, true = as_table(preds), as_table(target)
    scene = matches.scene[matches.distance <= threshold]
    hits = np.bincount(scene, minlength=len(true)).astype(np.float64)
    said, there = guessed.counts.astype(np.float64), true.counts.astype(np.float64)
    return {
        "precision": SceneSums(hits, said, 100.0),
        "recall": SceneSums(hits, there, 100.0),
        "f1": SceneSums(2 * hits, said + there, 100.0),
    }


@dataclass(frozen=True, eq=False)
class AveragePrecision:
    """Percent of area under the curve of precision over recall.

    Scenes enter in the order of falling score, those of one score together, and
    ``AP = sum (recall_n - recall_(n-1)) precision_n``, without interpolation. Where all
    scores are alike there is one point: the product of precision and recall.

    Attributes:
        hits: true positives ``(scenes,)``.
        said: predicted objects ``(scenes,)``.
        there: true objects ``(scenes,)``.
        scores: how sure the answer to each scene is ``(scenes,)``.
    """

    hits: FloatArray
    said: FloatArray
    there: FloatArray
    scores: FloatArray

    @property
    def num_scenes(self) -> int:
        """Length of the list."""
        return len(self.there)

    @property
    def value(self) -> float:
        """The area; NaN where there is no true object."""
        return float(self.drawn(np.ones((1, self.num_scenes)))[0])

    @property
    def samples(self) -> int:
        """Number of scenes with a true or a predicted object."""
        return int(np.count_nonzero(self.there + self.said))

    def drawn(self, counts: FloatArray) -> FloatArray:
        """The area ``(draws,)``, see `sums.Statistic`."""
        order = np.argsort(-self.scores, kind="stable")
        counts, scores = counts[:, order], self.scores[order]
        # the last scene of each score
        ends = np.append(scores[1:] != scores[:-1], True)[: len(scores)]
        found = np.cumsum(counts * self.hits[order], axis=1)[:, ends]
        said = np.cumsum(counts * self.said[order], axis=1)[:, ends]
        true = counts @ self.there[order]
        steps = np.diff(found, axis=1, prepend=0.0)
        with np.errstate(invalid="ignore"):
            area = np.sum(steps * found / np.maximum(said, 1.0), axis=1)
            return np.asarray(100.0 * area / np.where(true, true, np.nan))


def average_precision(
    matches: Matches,
    preds: Scenes,
    target: Scenes,
    threshold: float,
    scores: FloatArray | None = None,
) -> AveragePrecision:
    """The average precision at a distance threshold.

    Args:
        matches: of the two lists of scenes.
        preds: predicted scenes.
        target: true scenes.
        threshold: see `detection_sums`.
        scores: how sure the answer to each scene is ``(scenes,)``; None where they all
            are alike.

    >>> from igllm_pipelines.metrics.matching import match_scenes
    >>> from igllm_pipelines.scene import Scene, SceneObject
    >>> near, far = (SceneObject(location=(x, 0, 0)) for x in (0, 5))
    >>> preds = [Scene((near,)), Scene((near,))]
    >>> target = [Scene((near,)), Scene((far,))]
    >>> matches = match_scenes(preds, target)
    >>> average_precision(matches, preds, target, 0.1, np.array([-1.0, -2.0])).value
    50.0
    """
    sums = detection_sums(matches, preds, target, threshold)
    hits, there = sums["recall"].numerator, sums["recall"].denominator
    if scores is None:
        scores = np.zeros(len(there))
    return AveragePrecision(hits, sums["precision"].denominator, there, scores)


def detection(
    matches: Matches,
    preds: Scenes,
    target: Scenes,
    scores: FloatArray | None = None,
    thresholds: Sequence[float] = THRESHOLDS_M,
) -> dict[str, Statistic]:
    """Everything that is measured at the thresholds, as ``f1@0.25``.

    Args:
        matches: of the two lists of scenes.
        preds: predicted scenes.
        target: true scenes.
        scores: see `average_precision`.
        thresholds: the largest distances of a true positive.
    """
    found: dict[str, Statistic] = {}
    for threshold in thresholds:
        measured: dict[str, Statistic] = {
            **detection_sums(matches, preds, target, threshold),
            AVERAGE_PRECISION: average_precision(
                matches, preds, target, threshold, scores
            ),
        }
        found |= {f"{name}@{threshold:g}": part for name, part in measured.items()}
    return found
