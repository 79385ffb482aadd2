"""Analysis by synthesis: moves the objects of a guess until its picture fits the input.

The search alternates between two steps, and keeps nothing that does not lower the
score of the drawn picture (`scoring.PictureScore`):

- *descent*: Levenberg-Marquardt on all places and orientations at once. Its Jacobian
  is a picture for each parameter, moved by a finite step; a few dampings are drawn and
  the best is taken. Steps shrink when they no longer pay.
- *jumps*: object after object is put elsewhere, half of the times where the pictures
  differ most, or gets another word; descent cannot do either.

Drawing comes in as a callable, so that nothing here knows of Blender.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from igllm_pipelines.infer.judge import Draw, Judge, check_aspect, small_size
from igllm_pipelines.infer.moves import (
    Freedom,
    Parameter,
    jumped,
    moved,
    parameters_of,
    rested,
    reworded,
)
from igllm_pipelines.infer.scoring import PictureScore
from igllm_pipelines.scene.scene import Scene

Array = NDArray[np.float64]
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class RefinementConfig:
    """Settings of the search.

    Attributes:
        blurs: of the compared pictures, standard deviations in shares of their side.
        light: standard deviation of the blur that is subtracted, in the same unit.
        saturation: difference of a channel, in [0, 1], that counts at most.
        dampings: of a step of descent, in units of the mean curvature.
        descent_steps: between two rounds of jumps, at most.
        jumps: of each object in a round.
        least_gain: of the score, as a share, for which descent goes on.
        jump_gain: of the score, as a share, that a jump must bring: less may be light
            or noise that an object elsewhere happens to explain.
        word_gain: the same of another word, or of one object less: the model
            is right more often than a small picture with unknown light.
        shrink: of the steps when they no longer pay.
        settled_step: below which a step that does not pay ends the descent, as a
            share of the first one.
        least_step: the shortest one, as a share of the first one.
        word_rounds: words are tried in one round of so many.
        patience: rounds without a better scene after which the search ends.
    """

    blurs: tuple[float, ...] = (0.02, 0.06)
    light: float = 0.15
    saturation: float = 0.3
    dampings: tuple[float, ...] = (1e-3, 1e-2, 1e-1, 1.0)
    descent_steps: int = 8
    jumps: int = 8
    least_gain: float = 0.03
    jump_gain: float = 0.03
    word_gain: float = 0.1
    shrink: float = 0.6
    settled_step: float = 0.5
    least_step: float = 0.1
    word_rounds: int = 3
    patience: int = 10


@dataclass(frozen=True)
class Refined:
    """A refined scene.

    Attributes:
        scene: the best one found.
        score_before, score_after: mean square of the saturated differences of the
            blurred pictures; 0 is the same picture.
        evaluations: pictures drawn.
        seconds: that it took, by the clock that was given.
    """

    scene: Scene
    score_before: float
    score_after: float
    evaluations: int
    seconds: float


def refine(
    scene: Scene,
    picture: Pixels,
    draw: Draw,
    freedom: Freedom,
    *,
    seconds: float,
    seed: int,
    candidates: Sequence[Scene] = (),
    max_evaluations: int | None = None,
    config: RefinementConfig | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> Refined:
    """The scene that looks most like the picture, of those found in the time given.

    Never worse than the guess in its own score. The same seed gives the same scene
    where `max_evaluations` ends the search, and not the clock.

    Args:
        scene: the guess, with everything that a drawing needs: camera, lights,
            backdrop, and objects with all words.
        picture: ``(height, width, 3)``, uint8, of the camera's aspect.
        draw: draws scenes; their cameras have few pixels.
        freedom: what may be changed.
        seconds: after which no other batch of pictures is drawn.
        seed: of the random jumps.
        candidates: other guesses; the search starts at the best of all.
        max_evaluations: pictures drawn at most, None for no limit.
        config: of the search, None for the default.
        clock: in seconds.

    Raises:
        ValueError: the camera and the picture differ in aspect; whatever `draw`
            raises of a scene that cannot be drawn.
    """
    config = config or RefinementConfig()
    begin = clock()
    check_aspect(scene, picture)
    small = small_size(picture, freedom.side_px)
    *blurs, light = (b * freedom.side_px for b in (*config.blurs, config.light))
    score = PictureScore(picture, small, blurs, light, config.saturation)
    judge = Judge(
        draw, score, small, lambda: clock() - begin < seconds, max_evaluations
    )
    search = _Search(judge, freedom, config, np.random.default_rng(seed))
    before = search.start(scene)
    search.try_each([rested(scene, freedom), *candidates])
    search.run()
    after = _reprojected(search.best) if search.best is not scene else scene
    return Refined(after, before, search.score, judge.evaluations, clock() - begin)


class _Search:
    """The best scene so far and the steps that look for a better one."""

    def __init__(
        self,
        judge: Judge,
        freedom: Freedom,
        config: RefinementConfig,
        rng: np.random.Generator,
    ) -> None:
        self._judge, self._freedom = judge, freedom
        self._config, self._rng = config, rng
        self._step = 1.0  # of descent, in units of the parameters' first steps

    def start(self, scene: Scene) -> float:
        """Draws the guess and returns its score."""
        self.best = scene
        self._residuals = self._judge.residuals([scene])[0]
        return self.score

    @property
    def score(self) -> float:
        """Of the best scene."""
        return _square(self._residuals)

    def run(self) -> None:
        """Rounds of descent and jumps, until time is up or nothing gets better."""
        number = fruitless = 0
        while self._judge.open and fruitless < self._config.patience:
            before = self.score
            self._round(with_words=number % self._config.word_rounds == 0)
            number += 1
            fruitless = 0 if self.score < before else fruitless + 1

    def _round(self, with_words: bool) -> None:
        for _ in range(self._config.descent_steps):
            if not self._judge.open or not self._descend():
                break
        settled = self.best
        for index in self._rng.permutation(len(self.best.objects)).tolist():
            if index < len(self.best.objects):  # one may have been taken away
                self._change(index, with_words)
        if self.best is not settled:
            self._step = 1.0

    def try_each(self, scenes: Sequence[Scene], gains: Sequence[float] = ()) -> None:
        """Takes the best of these scenes if it lowers the score.

        Args:
            scenes: to be drawn.
            gains: by which share each must lower it, nothing for any.
        """
        if scenes and self._judge.open:
            self._take(scenes, self._judge.residuals(scenes), gains)

    def _take(
        self, scenes: Sequence[Scene], rows: Array, gains: Sequence[float] = ()
    ) -> None:
        scores = np.square(rows).sum(axis=1)
        if gains:
            scores /= 1 - np.asarray(gains[: len(rows)])
        found = int(np.argmin(scores))
        if scores[found] < self.score:
            self.best, self._residuals = scenes[found], rows[found]

    def _descend(self) -> bool:
        """One step of Levenberg-Marquardt; False where small steps bring little."""
        before = self.score
        parameters = parameters_of(self.best, self._freedom)
        steps = np.array([self._step * p.step for p in parameters])
        probes = [
            moved(self.best, parameters, row, self._freedom) for row in np.diag(steps)
        ]
        if not probes:
            return False
        rows = self._judge.residuals(probes)
        if len(rows) < len(probes):
            self._take(probes, rows)
            return False
        trials = self._trials(parameters, (rows - self._residuals) / steps[:, None])
        self._take(probes, rows)
        self.try_each(trials)
        if self.score > (1 - self._config.least_gain) * before:
            going_on = self._step > self._config.settled_step
            self._step = max(self._step * self._config.shrink, self._config.least_step)
            return going_on
        return True

    def _trials(self, parameters: Sequence[Parameter], slopes: Array) -> list[Scene]:
        """The scenes that the slopes ``(parameters, values)`` lead to."""
        units = np.array([p.step for p in parameters])
        slopes = slopes * units[:, None]  # all parameters in units of their steps
        curvature, slope = slopes @ slopes.T, slopes @ self._residuals
        mean = np.trace(curvature) / len(parameters) + 1e-12
        trials = []
        for damping in self._config.dampings:
            damped = curvature + damping * mean * np.eye(len(parameters))
            by = np.clip(
                -np.linalg.solve(damped, slope), -3 * self._step, 3 * self._step
            )
            trials.append(moved(self.best, parameters, by * units, self._freedom))
        return trials

    def _change(self, index: int, with_words: bool) -> None:
        """Tries one object elsewhere or with other words, whichever is best.

        They compete, for each may do the other's work badly: a jump hides an object of
        a wrong color, and a small gray one at a wrong place is better than a large one.
        """
        pixels = self._worst_pixels(self._config.jumps // 2)
        near = self._config.jumps - len(pixels)
        places: list[tuple[float, float] | None] = [*pixels, *[None] * near]
        jumps = [jumped(self.best, index, p, self._freedom, self._rng) for p in places]
        others = reworded(self.best, index, self._freedom) if with_words else []
        gains = [self._config.jump_gain] * len(jumps)
        gains += [self._config.word_gain] * len(others)
        self.try_each([*jumps, *others], gains)

    def _worst_pixels(self, count: int) -> list[tuple[float, float]]:
        """Places in image sides, drawn where the pictures differ most."""
        heat = np.square(self._judge.heat(self._residuals))
        height, width = heat.shape
        if not heat.any():
            return []
        drawn = self._rng.choice(heat.size, size=count, p=heat.ravel() / heat.sum())
        rows, columns = np.divmod(drawn, width)
        return [
            ((column + 0.5) / width, (row + 0.5) / height)
            for row, column in zip(rows.tolist(), columns.tolist(), strict=True)
        ]


def _square(values: Array) -> float:
    return float(values @ values)


def _reprojected(scene: Scene) -> Scene:
    """The scene with the pixels in which its moved objects are seen now."""
    camera = scene.camera
    objects = tuple(
        replace(
            obj,
            visible_pixels=None,
            pixel_coords=tuple(camera.project(obj.location).tolist())
            if camera is not None and obj.location is not None
            else None,
        )
        for obj in scene.objects
    )
    return replace(scene, objects=objects)
