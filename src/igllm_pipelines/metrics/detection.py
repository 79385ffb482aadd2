"""Objects found, missed and invented: precision, recall, F1, average precision.

A predicted object is a true positive at a distance threshold where it is matched with a
true object that lies no further away. The pairs are those of `matching`, the same for
all thresholds. The objects of an answer that does not parse are all missed.
"""

import numpy as np

from igllm_pipelines.metrics.matching import Matches
from igllm_pipelines.metrics.sums import SceneSums
from igllm_pipelines.metrics.table import BoolArray, FloatArray, Scenes, as_table

THRESHOLDS_M = (0.1, 0.25, 0.5, 1.0)


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


def average_precision(
    matches: Matches,
    preds: Scenes,
    target: Scenes,
    threshold: float,
    scores: FloatArray | None = None,
) -> float:
    """Percent of area under the curve of precision over recall.

    Objects enter in the order of falling score, those of one score together, and
    ``AP = sum (recall_n - recall_(n-1)) precision_n``, without interpolation. Without
    scores there is one point: the product of precision and recall.

    Args:
        matches: of the two lists of scenes.
        preds: predicted scenes.
        target: true scenes.
        threshold: see `detection_sums`.
        scores: how sure each predicted object is, ``(predicted objects,)`` in the
            order of the scenes; None where they all are alike.
    """
    guessed, true = as_table(preds), as_table(target)
    near = matches.distance <= threshold
    hits = np.zeros(len(guessed.location), dtype=np.bool_)
    hits[guessed.rows(matches.scene[near], matches.pred[near])] = True
    if scores is None:
        scores = np.zeros(len(hits))
    return _area(hits, scores, len(true.location))


def _area(hits: BoolArray, scores: FloatArray, num_true: int) -> float:
    if not num_true:
        return np.nan
    if not len(hits):
        return 0.0
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    # the last object of each score
    ends = np.append(np.flatnonzero(ordered[1:] != ordered[:-1]), len(ordered) - 1)
    found = np.cumsum(hits[order])[ends]
    precision, recall = found / (ends + 1), found / num_true
    return float(100.0 * np.sum(np.diff(recall, prepend=0.0) * precision))
