"""Scenes as two plain tables: one row an object and one row a scene."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from igllm_pipelines.domains.clevr import RADIUS_M
from igllm_pipelines.domains.dots import DotsConfig, in_training_cells
from igllm_pipelines.domains.sources import SceneConfig
from igllm_pipelines.scene import Scene, SceneObject

FloatArray = NDArray[np.float64]
OBJECT_COLUMNS = (
    *("split", "image", "object", "size", "color", "material", "shape"),
    *("x", "y", "z", "turned", "u", "v", "depth", "visible_pixels"),
    *("projected_u", "projected_v", "pixel_error", "shape_color"),
)
SCENE_COLUMNS = (
    *("split", "image", "objects", "width", "height", "lights"),
    *("content", "camera", "has_image"),
)


@dataclass(frozen=True)
class Tables:
    """What the checks look at.

    Attributes:
        objects: `OBJECT_COLUMNS`; x, y, z in metres (2D: image sides), u, v and
            pixel_error in pixels, depth in metres, NaN where unknown. ``turned`` says
            whether there is a rotation, ``shape_color`` is ``cube red``,
            ``pixel_error`` is the larger of the distances in u and v between
            ``pixel_coords`` and the projected location. CLEVR has ``height_error``
            beside them, the distance of z from the radius of the size; 2D has
            ``in_training_cell``.
        scenes: `SCENE_COLUMNS`; ``objects`` and ``lights`` are numbers of them,
            ``content`` is a digest of the objects, whatever the image is called.
        extra_images: ``{split: names}`` of images that no label has.
    """

    objects: pd.DataFrame
    scenes: pd.DataFrame
    extra_images: Mapping[str, tuple[str, ...]]


def scene_tables(
    scenes: Mapping[str, Sequence[Scene]],
    images: Mapping[str, Sequence[str]],
    config: SceneConfig,
) -> Tables:
    """Lays scenes out as tables.

    Args:
        scenes: of every split.
        images: the names of the images that every split has.
        config: what the scenes were drawn from.
    """
    width = config.width_px  # a 2D image is square
    every = [(split, scene) for split, rows in scenes.items() for scene in rows]
    found = {split: frozenset(names) for split, names in images.items()}
    objects = [row for split, scene in every for row in _objects(split, scene, width)]
    rows = [
        _scene(split, scene, found.get(split, frozenset())) for split, scene in every
    ]
    labelled = {
        split: {scene.image_filename for scene in rows}
        for split, rows in scenes.items()
    }
    extra = {
        split: tuple(sorted(names - labelled.get(split, set())))
        for split, names in found.items()
    }
    table = pd.DataFrame(objects, columns=list(OBJECT_COLUMNS))
    return Tables(
        objects=_derive(table, config),
        scenes=pd.DataFrame(rows, columns=list(SCENE_COLUMNS)),
        extra_images=extra,
    )


def _derive(objects: pd.DataFrame, config: SceneConfig) -> pd.DataFrame:
    """Adds the column that only this domain has."""
    if isinstance(config, DotsConfig):
        return _with_dots(objects, config)
    return _with_heights(objects)


def _with_heights(objects: pd.DataFrame) -> pd.DataFrame:
    """Adds how far each object is from standing on the ground, in metres."""
    radius = objects["size"].map(dict(RADIUS_M)).astype("float64")
    return objects.assign(height_error=(objects["z"] - radius).abs())


def _with_dots(objects: pd.DataFrame, config: DotsConfig) -> pd.DataFrame:
    """Adds whether each dot lies in a training cell."""
    positions = objects[["x", "y"]].to_numpy(dtype=np.float64)
    return objects.assign(in_training_cell=in_training_cells(config, positions))


def _objects(split: str, scene: Scene, width_px: int) -> Iterator[dict[str, Any]]:
    projected = _project(scene, width_px)
    for index, (obj, (u, v, _)) in enumerate(
        zip(scene.objects, projected, strict=True)
    ):
        x, y, z = obj.location or (np.nan,) * 3
        label_u, label_v, depth = obj.pixel_coords or (np.nan,) * 3
        visible = np.nan if obj.visible_pixels is None else obj.visible_pixels
        yield {
            **{"split": split, "image": scene.image_filename, "object": index},
            **{name: getattr(obj, name) for name in ("size", "color", "material")},
            **{"shape": obj.shape, "shape_color": f"{obj.shape} {obj.color}"},
            **{"x": x, "y": y, "z": z, "turned": obj.rotation is not None},
            **{"u": label_u, "v": label_v, "depth": depth, "visible_pixels": visible},
            **{"projected_u": u, "projected_v": v},
            "pixel_error": max(abs(u - label_u), abs(v - label_v)),
        }


def _project(scene: Scene, width_px: int) -> FloatArray:
    """Where the locations fall in the image, ``(objects, 3)``; 2D has no camera."""
    if scene.camera is None:
        return scene.locations() * (width_px, width_px, 0)
    return scene.camera.project(scene.locations())


def _scene(split: str, scene: Scene, images: frozenset[str]) -> dict[str, Any]:
    camera = scene.camera
    return {
        **{"split": split, "image": scene.image_filename},
        **{"objects": len(scene.objects), "lights": len(scene.lights)},
        "width": camera.width_px if camera else np.nan,
        "height": camera.height_px if camera else np.nan,
        "content": content_digest(scene),
        "camera": camera is not None,
        "has_image": scene.image_filename in images,
    }


def content_digest(scene: Scene) -> str:
    """The same for two scenes exactly if they hold the same objects.

    Names, seeds, cameras and the order of the objects do not matter.

    >>> one, two = (SceneObject(location=(x, 0, 0)) for x in (1, 2))
    >>> content_digest(Scene((one, two))) == content_digest(Scene((two, one), "a"))
    True
    """
    rows = sorted(json.dumps(_content(obj)) for obj in scene.objects)
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()[:16]


def _content(obj: SceneObject) -> tuple[Any, ...]:
    return (obj.size, obj.color, obj.material, obj.shape, obj.location, obj.rotation)
