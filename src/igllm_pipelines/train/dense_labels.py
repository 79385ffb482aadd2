"""Dense labels: what stands in each cell of a tower's map.

The cell that holds the projected centre of an object carries the object's words, its
location and, where programs say it in full, its rotation; of two objects in one cell
the nearer one counts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from igllm_pipelines.scene.rotations import COMPONENTS, to_representation
from igllm_pipelines.scene.scene import Scene, SceneObject

ROTATION_REP = "6d"  # the continuous one, whatever the programs write


@dataclass(frozen=True)
class LabelLayout:
    """The order of a cell's outputs.

    Presence, each attribute's words, x, y, z and the two rows of the 6d rotation.

    Attributes:
        words: the vocabulary.
        side: of the square map, in cells.
        rotation: whether there is a rotation to learn.
        by_columns: cells go column by column, as in `ConvTower`, or row by row.
    """

    words: Mapping[str, tuple[str, ...]]
    side: int
    rotation: bool = False
    by_columns: bool = True

    @property
    def sizes(self) -> list[int]:
        """Outputs of each part."""
        rotation = COMPONENTS[ROTATION_REP] if self.rotation else 0
        return [1, *map(len, self.words.values()), 3, rotation]

    def cell(self, column: int, row: int) -> int:
        """The place of a cell among the tower's tokens."""
        outer, inner = (column, row) if self.by_columns else (row, column)
        return outer * self.side + inner


class DenseLabels(NamedTuple):
    """Labels of the objects of one or more images.

    ``image``, ``cell``: ``(num_objects,)``, which image and which cell of its map.
    ``words``: ``(num_objects, num_attributes)``, index into the vocabulary.
    ``location``: ``(num_objects, 3)``, world metres.
    ``rotation``: ``(num_objects, 6)``, the 6d representation, or ``(num_objects, 0)``.
    """

    image: NDArray[np.int64]
    cell: NDArray[np.int64]
    words: NDArray[np.int64]
    location: NDArray[np.float32]
    rotation: NDArray[np.float32]


def mirror_scene(scene: Scene) -> Scene:
    """The scene whose image is the mirror image, left for right.

    The mirror plane holds the camera and its vertical axis, so that camera and ground
    are their own mirror images; lamps are not moved. Rotations are left out.

    Raises:
        ValueError: the scene has no camera.
    """
    camera = scene.camera
    if camera is None:
        raise ValueError(f"{scene.image_filename}: no camera, it cannot be mirrored")
    matrix = np.asarray(camera.world_from_camera)
    right, origin = matrix[:3, 0], matrix[:3, 3]

    def mirrored(obj: SceneObject) -> SceneObject:
        location, pixels = obj.location, obj.pixel_coords
        if location is not None:
            point = np.asarray(location)
            moved = point - 2 * ((point - origin) @ right) * right
            location = (float(moved[0]), float(moved[1]), float(moved[2]))
        if pixels is not None:
            pixels = (camera.width_px - pixels[0], pixels[1], pixels[2])
        return replace(obj, location=location, pixel_coords=pixels, rotation=None)

    return replace(scene, objects=tuple(mirrored(obj) for obj in scene.objects))


def dense_labels(scene: Scene, layout: LabelLayout, image_px: int) -> DenseLabels:
    """Labels of one scene, ``image`` zero everywhere.

    Raises:
        ValueError: an object lacks pixel coordinates, location, a word or, where it is
            learned, the rotation.
    """
    cells: dict[int, SceneObject] = {}
    far_to_near = sorted(scene.objects, key=lambda o: -_known(scene, o)[2])
    for obj in far_to_near:
        u, v, _ = _known(scene, obj)
        column, row = (int(c / image_px * layout.side) for c in (u, v))
        if 0 <= column < layout.side and 0 <= row < layout.side:
            cells[layout.cell(column, row)] = obj
    words = [
        [_index(scene, obj, name, layout) for name in layout.words]
        for obj in cells.values()
    ]
    places = [obj.location for obj in cells.values()]
    turns = [_rotation(scene, obj, layout) for obj in cells.values()]
    rows = len(cells)
    return DenseLabels(
        image=np.zeros(len(cells), dtype=np.int64),
        cell=np.fromiter(cells, dtype=np.int64),
        words=np.asarray(words, dtype=np.int64).reshape(rows, len(layout.words)),
        location=np.asarray(places, dtype=np.float32).reshape(-1, 3),
        rotation=np.asarray(turns, dtype=np.float32).reshape(rows, layout.sizes[-1]),
    )


def _rotation(scene: Scene, obj: SceneObject, layout: LabelLayout) -> list[float]:
    if not layout.rotation:
        return []
    if obj.rotation is None:
        raise ValueError(f"{scene.image_filename}: an object lacks its rotation")
    numbers: list[float] = to_representation(obj.rotation, ROTATION_REP).tolist()
    return numbers


def _known(scene: Scene, obj: SceneObject) -> tuple[float, float, float]:
    if obj.pixel_coords is None or obj.location is None:
        raise ValueError(
            f"{scene.image_filename}: an object lacks location or pixel_coords, which "
            "the warm-up needs"
        )
    return obj.pixel_coords


def _index(scene: Scene, obj: SceneObject, name: str, layout: LabelLayout) -> int:
    word = getattr(obj, name)
    if word not in layout.words[name]:
        raise ValueError(f"{scene.image_filename}: unknown {name} {word!r}")
    return layout.words[name].index(word)


def stack_labels(labels: Sequence[DenseLabels]) -> DenseLabels:
    """Labels of a batch; ``image`` counts through the batch."""
    images = [np.full(len(one.cell), i) for i, one in enumerate(labels)]
    return DenseLabels(
        image=np.concatenate(images),
        cell=np.concatenate([one.cell for one in labels]),
        words=np.concatenate([one.words for one in labels]),
        location=np.concatenate([one.location for one in labels]),
        rotation=np.concatenate([one.rotation for one in labels]),
    )
