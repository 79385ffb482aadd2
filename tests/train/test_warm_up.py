import math
import resource
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from igllm_pipelines.model.build import build_tower
from igllm_pipelines.scene.program import ProgramSyntax
from igllm_pipelines.scene.rotations import matrix_from_quat
from igllm_pipelines.scene.scene import Camera, Scene, SceneObject
from igllm_pipelines.train import states
from igllm_pipelines.train.checkpoints import CheckpointError
from igllm_pipelines.train.config import WarmUpConfig
from igllm_pipelines.train.dense_labels import (
    LabelLayout,
    dense_labels,
    mirror_scene,
    stack_labels,
)
from igllm_pipelines.train.trainer import NonFiniteLossError
from igllm_pipelines.train.warm_up import DenseBatches, dense_loss, warm_up_tower
from tests.model.small import CONV, TOWER

WORDS = {"size": ("small", "large"), "color": ("red", "green", "blue")}
LAYOUT = LabelLayout(WORDS, side=4)
TURNED = LabelLayout(WORDS, side=4, rotation=True)
SYNTAX = ProgramSyntax((*WORDS, "loc"), WORDS)
COLORS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}
CAMERA = Camera.look_at(
    (7, -6, 5), (0.2, 0.1, 0), lens_mm=42, sensor_width_mm=32, width_px=32, height_px=32
)


def seen(location, size="small", color="red"):
    pixels = tuple(CAMERA.project(location).tolist())
    return SceneObject(
        location=location, size=size, color=color, pixel_coords=pixels, shape="cube"
    )


def random_scene(index):
    rng = np.random.default_rng(index)
    objects = [
        seen(
            (*rng.uniform(-2, 2, 2).tolist(), 0.4),
            str(rng.choice(WORDS["size"])),
            str(rng.choice(WORDS["color"])),
        )
        for _ in range(2)
    ]
    return Scene(tuple(objects), image_filename=f"{index}.png", camera=CAMERA)


class BlockImages:
    """Images with a block of an object's color at its place."""

    def __init__(self, scenes):
        self._scenes = {scene.image_filename: scene for scene in scenes}

    def batch(self, split, filenames):
        return np.stack([self._image(self._scenes[name]) for name in filenames])

    def _image(self, scene):
        image = np.full((32, 32, 3), 128, np.uint8)
        for obj in scene.objects:
            u, v = (int(c) for c in obj.pixel_coords[:2])
            half = 4 if obj.size == "large" else 2
            image[max(0, v - half) : v + half, max(0, u - half) : u + half] = COLORS[
                obj.color
            ]
        return image


def test_labels_stand_in_the_cell_of_the_centre():
    obj = replace(seen((0, 0, 0), "large", "blue"), pixel_coords=(17.0, 31.9, 9.0))
    labels = dense_labels(Scene((obj,)), LAYOUT, 32)
    assert labels.cell.tolist() == [2 * 4 + 3]
    assert labels.words.tolist() == [[1, 2]]
    assert labels.location.tolist() == [[0, 0, 0]]


@pytest.mark.parametrize("config", [CONV, TOWER], ids=["conv", "open_clip"])
def test_a_cell_is_the_token_that_sees_it(config):
    """The tokens that a dark block changes most are those of its labelled cell."""
    tower = build_tower(replace(config, pixels="centered"), seed=1).eval()
    side, image_px = math.isqrt(tower.num_tokens), config.image_px
    layout = LabelLayout(WORDS, side, by_columns=tower.by_columns)
    patch = image_px // side
    column, row = side - 1, 0
    images = torch.full((2, image_px, image_px, 3), 128, dtype=torch.uint8)
    rows, columns = (slice(i * patch, (i + 1) * patch) for i in (row, column))
    images[1, rows, columns] = 0
    obj = replace(
        seen((0, 0, 0)), pixel_coords=((column + 0.5) * patch, patch / 2, 9.0)
    )
    (cell,) = dense_labels(Scene((obj,)), layout, image_px).cell
    with torch.no_grad():
        plain, changed = tower(images)
    assert int((changed - plain).norm(dim=-1).argmax()) == cell


def test_labels_of_two_objects_in_one_cell_are_the_nearer_ones():
    far = replace(seen((0, 0, 0), color="red"), pixel_coords=(9.0, 9.0, 12.0))
    near = replace(seen((1, 1, 0), color="green"), pixel_coords=(10.0, 10.0, 8.0))
    for objects in ((far, near), (near, far)):
        labels = dense_labels(Scene(objects), LAYOUT, 32)
        assert labels.words[:, 1].tolist() == [1]


def test_labels_of_an_object_outside_the_image_are_left_out():
    outside = replace(seen((0, 0, 0)), pixel_coords=(33.0, 5.0, 9.0))
    assert len(dense_labels(Scene((outside,)), LAYOUT, 32).cell) == 0


def test_labels_refuse_unknown_word_and_missing_place():
    with pytest.raises(ValueError, match=r"a\.png: unknown color 'pink'"):
        dense_labels(Scene((seen((0, 0, 0), color="pink"),), "a.png"), LAYOUT, 32)
    with pytest.raises(ValueError, match="lacks location or pixel_coords"):
        dense_labels(Scene((SceneObject(),), "a.png"), LAYOUT, 32)


def test_mirror_agrees_with_the_camera():
    scene = random_scene(1)
    mirrored = mirror_scene(scene)
    for before, after in zip(scene.objects, mirrored.objects, strict=True):
        u, v, depth = CAMERA.project(after.location)
        np.testing.assert_allclose((u, v, depth), after.pixel_coords, atol=1e-9)
        assert u == pytest.approx(32 - before.pixel_coords[0])
        assert v == pytest.approx(before.pixel_coords[1])
        assert after.location[2] == pytest.approx(before.location[2])
    twice = mirror_scene(mirrored)
    for before, after in zip(scene.objects, twice.objects, strict=True):
        np.testing.assert_allclose(before.location, after.location, atol=1e-12)


def test_mirror_needs_a_camera():
    with pytest.raises(ValueError, match="no camera"):
        mirror_scene(Scene((), "a.png"))


def test_batches_mirror_images_and_labels_together():
    scenes = [random_scene(i) for i in range(8)]
    batches = DenseBatches(
        scenes, BlockImages(scenes), "train", LAYOUT, 32, mirror=True, seed=1
    )
    images, labels, names = batches.batch(0, 8)
    plain = torch.from_numpy(BlockImages(scenes).batch("train", names))
    flipped = [not torch.equal(a, b) for a, b in zip(images, plain, strict=True)]
    assert any(flipped)
    assert not all(flipped)
    by_name = {scene.image_filename: scene for scene in scenes}
    for row, name in enumerate(names):
        scene = mirror_scene(by_name[name]) if flipped[row] else by_name[name]
        expected = dense_labels(scene, LAYOUT, 32)
        assert labels.cell[labels.image == row].tolist() == expected.cell.tolist()
        torch.testing.assert_close(
            images[row], plain[row].flip(1) if flipped[row] else plain[row]
        )


def test_dense_loss_equals_a_loop():
    scenes = [random_scene(i) for i in range(3)] + [Scene((), "empty.png")]
    labels = stack_labels([dense_labels(s, LAYOUT, 32) for s in scenes])
    outputs = torch.randn(4, 16, sum(LAYOUT.sizes), dtype=torch.float64)
    presence, size, color, square = [], [], [], []
    at = {
        (i, c): k
        for k, (i, c) in enumerate(zip(labels.image, labels.cell, strict=True))
    }
    for image in range(4):
        for cell in range(16):
            out = outputs[image, cell].numpy()
            here = (image, cell) in at
            presence.append(np.log1p(np.exp(-out[0] if here else out[0])))
            if here:
                row = at[image, cell]
                for losses, part, word in (
                    (size, out[1:3], labels.words[row, 0]),
                    (color, out[3:6], labels.words[row, 1]),
                ):
                    losses.append(np.log(np.exp(part).sum()) - part[word])
                square.append((out[6:] - labels.location[row]) ** 2)
    expected = sum(np.mean(part) for part in (presence, size, color))
    expected += 0.5 * np.mean(square)
    config = WarmUpConfig(location_weight=0.5)
    found = dense_loss(outputs.float(), labels, LAYOUT, config)
    assert float(found) == pytest.approx(expected, rel=1e-4)


def test_dense_loss_without_objects_is_the_presence_loss():
    labels = stack_labels([dense_labels(Scene((), "a.png"), LAYOUT, 32)])
    loss = dense_loss(
        torch.zeros(1, 16, sum(LAYOUT.sizes)), labels, LAYOUT, WarmUpConfig()
    )
    assert float(loss) == pytest.approx(np.log(2))


def turned_scene(index):
    rng = np.random.default_rng(100 + index)
    scene = random_scene(index)
    turned = tuple(replace(o, rotation=rng.normal(size=4)) for o in scene.objects)
    return replace(scene, objects=turned)


def test_rotations_are_the_first_two_rows_of_the_matrix():
    scene = turned_scene(0)
    labels = dense_labels(scene, TURNED, 32)
    by_location = {tuple(np.float32(o.location)): o.rotation for o in scene.objects}
    for place, rows in zip(labels.location, labels.rotation, strict=True):
        matrix = matrix_from_quat(by_location[tuple(place)])
        np.testing.assert_allclose(rows, matrix[:2].ravel(), atol=1e-6)
    assert dense_labels(scene, LAYOUT, 32).rotation.shape == (len(labels.cell), 0)
    wordless = LabelLayout({}, side=4, rotation=True)
    assert dense_labels(scene, wordless, 32).words.shape == (len(labels.cell), 0)


def test_a_rotation_that_is_learned_must_be_known():
    with pytest.raises(ValueError, match=r"a\.png: an object lacks its rotation"):
        dense_labels(Scene((seen((0, 0, 0)),), "a.png"), TURNED, 32)


def test_dense_loss_adds_the_squared_error_of_the_rotation():
    labels = stack_labels([dense_labels(turned_scene(i), TURNED, 32) for i in range(3)])
    outputs = torch.randn(3, 16, sum(TURNED.sizes))
    config = WarmUpConfig(rotation_weight=2.0)
    without = dense_loss(outputs[..., :-6], labels, LAYOUT, config)
    guessed = outputs[labels.image, labels.cell, -6:].numpy()
    expected = float(without) + 2 * np.mean((guessed - labels.rotation) ** 2)
    found = dense_loss(outputs, labels, TURNED, config)
    assert float(found) == pytest.approx(expected, rel=1e-5)


@pytest.fixture
def warm_up(tmp_path):
    """Warms a tower up; each configuration has its own checkpoints."""
    return partial(warm_up_in, tmp_path)


def warm_up_in(folder, scenes, vision, syntax=SYNTAX, **config):
    tower = build_tower(CONV, seed=0)
    config = {"batch_size": BATCH, "warm_up_steps": 2, "num_threads": 1, **config}
    loss = warm_up_tower(
        tower,
        scenes,
        vision,
        "train",
        syntax=syntax,
        config=WarmUpConfig(**config),
        folder=folder,
        image_px=32,
        seed=2,
    )
    return tower, loss


def test_warm_up_learns_colors_and_is_reproducible(warm_up):
    scenes = [random_scene(i) for i in range(24)]
    tower, first = warm_up(scenes, BlockImages(scenes), steps=4)
    _, last = warm_up(scenes, BlockImages(scenes), steps=80, learning_rate=1e-2)
    again, _ = warm_up(scenes, BlockImages(scenes), steps=4)
    assert last < 0.6 * first
    assert not tower.training
    for one, two in zip(tower.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, two)


def test_warm_up_learns_rotations_but_clevrs_yaw(warm_up):
    scenes = [random_scene(i) for i in range(8)]
    syntax = replace(SYNTAX, attributes=("loc", "rotation"))
    warm_up(scenes, BlockImages(scenes), syntax=syntax, steps=4)
    turned = replace(syntax, rotation_rep="quat")
    with pytest.raises(ValueError, match="lacks its rotation"):
        warm_up(scenes, BlockImages(scenes), syntax=turned, steps=4)


BATCH = 8


class FailingImages(BlockImages):
    """Fails at the batch with this number; the fingerprint's look does not count."""

    def __init__(self, scenes, batches):
        super().__init__(scenes)
        self._left = batches

    def batch(self, split, filenames):
        self._left -= len(filenames) == BATCH
        if self._left < 0:
            raise InterruptedError
        return super().batch(split, filenames)


def test_interrupted_warm_up_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(states, "_SAVE_EVERY", 3)
    scenes = [random_scene(i) for i in range(24)]
    vision = BlockImages(scenes)
    unbroken, loss = warm_up_in(tmp_path / "a", scenes, vision, steps=8)
    with pytest.raises(InterruptedError):
        warm_up_in(tmp_path / "b", scenes, FailingImages(scenes, 5), steps=8)
    # three steps are kept, five are made; then nothing is left to do
    for left in (5, 0):
        images = FailingImages(scenes, left)
        tower, again = warm_up_in(tmp_path / "b", scenes, images, steps=8)
        assert again == loss
        for one, two in zip(tower.parameters(), unbroken.parameters(), strict=True):
            assert torch.equal(one, two)


class DarkImages(BlockImages):
    def batch(self, split, filenames):
        return super().batch(split, filenames) // 2


def test_other_pictures_of_the_same_scenes_are_learned_anew(warm_up, caplog):
    scenes = [random_scene(i) for i in range(8)]
    _, loss = warm_up(scenes, BlockImages(scenes), steps=4)
    _, other = warm_up(scenes, DarkImages(scenes), steps=4)
    assert other != loss
    assert "another configuration or data" in caplog.text


def test_full_disk_in_a_warm_up_is_said(warm_up):
    scenes = [random_scene(i) for i in range(8)]
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(CheckpointError, match="checkpoint-4 was not written"):
            warm_up(scenes, BlockImages(scenes), steps=4)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_warm_up_stops_on_nan(warm_up):
    scenes = [random_scene(i) for i in range(8)]
    with pytest.raises(NonFiniteLossError, match=r"step \d+, images .*\.png"):
        warm_up(scenes, BlockImages(scenes), steps=20, learning_rate=1e30)
