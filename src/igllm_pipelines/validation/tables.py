"""Scenes as two plain tables: one row an object and one row a scene."""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from igllm_pipelines.assets import load_catalog
from igllm_pipelines.domains.clevr import RADIUS_M, ClevrConfig
from igllm_pipelines.domains.dots import DotsConfig, in_training_cells
from igllm_pipelines.domains.official import OfficialDots
from igllm_pipelines.domains.poses import (
    box_corners,
    extents_m,
    forward_angle_deg,
    in_image,
)
from igllm_pipelines.domains.shapenet import ShapeNetConfig
from igllm_pipelines.domains.six_dof import SixDofConfig
from igllm_pipelines.domains.so3 import So3Config
from igllm_pipelines.domains.sources import SceneConfig
from igllm_pipelines.domains.textures import family_of
from igllm_pipelines.scene import Camera, Scene, SceneObject
from igllm_pipelines.scene.rotations import matrix_from_quat

FloatArray = NDArray[np.float64]
OBJECT_COLUMNS = (
    *("split", "image", "object", "size", "color", "material", "shape"),
    *("x", "y", "z", "turned", "u", "v", "depth", "visible_pixels"),
    *("projected_u", "projected_v", "pixel_error", "shape_color"),
    *("category", "texture_family", "has_color", "has_texture", "in_frame"),
    *("trained_shape",),
    *("tilt_deg", "lowest_m", "extents_error_m", "box_in_image"),
)
SCENE_COLUMNS = (
    *("split", "image", "objects", "width", "height", "lights"),
    *("content", "camera", "has_image", "backdrop"),
    *("pitch_deg", "radius_m", "azimuth_error_deg", "aim_error_px"),
    *("camera_error", "closest_m"),
)


@dataclass(frozen=True)
class Tables:
    """What the checks look at.

    Attributes:
        objects: `OBJECT_COLUMNS`; x, y, z in metres (2D: image sides), u, v and
            pixel_error in pixels, depth in metres, NaN where unknown. ``turned`` says
            whether there is a rotation, ``shape_color`` is ``cube red``,
            ``pixel_error`` is the larger of the distances in u and v between
            ``pixel_coords`` and the projected location, ``in_frame`` says whether
            ``pixel_coords`` lie in the image, ``trained_shape`` whether an object of
            the training split has this shape. Of assets: ``tilt_deg`` between the
            object's z axis and the vertical, ``lowest_m`` height of the bounding box's
            lowest corner, ``extents_error_m`` from the asset's extents at the size of
            the configuration, ``box_in_image`` whether all of the box is seen. CLEVR
            has ``height_error`` beside them, the distance of z from the radius of the
            size; 2D has ``in_training_cell``; SO(3) has ``forward_angle_deg`` between
            the forward axis and the axis of the held-out cone.
        scenes: `SCENE_COLUMNS`; ``objects`` and ``lights`` are numbers of them,
            ``content`` is a digest of the objects, whatever the image is called.
            ``pitch_deg`` and ``radius_m`` place the camera seen from the origin,
            ``aim_error_px`` is how far from the image centre the origin appears,
            ``camera_error`` the largest difference from the matrix of the one camera
            of the domain, ``closest_m`` the least distance of two objects.
        extra_images: ``{split: names}`` of images that no label has.
    """

    objects: pd.DataFrame
    scenes: pd.DataFrame
    extra_images: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Expected:
    """What the derived columns compare with, None where there is nothing.

    Attributes:
        dot_side_px: side of the image of a domain without a camera.
        extents_m: of each shape.
        camera: the one camera of the domain.
        azimuth_deg: of all cameras.
    """

    dot_side_px: int | None = None
    extents_m: Mapping[str, tuple[float, float, float]] | None = None
    camera: Camera | None = None
    azimuth_deg: float | None = None


def expected_of(config: SceneConfig) -> Expected:
    """What a configuration says of objects and cameras."""
    if isinstance(config, DotsConfig | OfficialDots):
        return Expected(dot_side_px=config.width_px)
    if not isinstance(config, So3Config | SixDofConfig | ShapeNetConfig):
        return Expected()
    extents = {
        asset.id: extents_m(asset, config.diagonal_m)
        for asset in load_catalog(config.assets).assets
    }
    if isinstance(config, ShapeNetConfig):
        return Expected(extents_m=extents, azimuth_deg=config.azimuth_deg)
    return Expected(extents_m=extents, camera=config.camera)


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
    expected = expected_of(config)
    every = [(split, scene) for split, rows in scenes.items() for scene in rows]
    found = {split: frozenset(names) for split, names in images.items()}
    objects = [
        row for split, scene in every for row in _objects(split, scene, expected)
    ]
    rows = [
        _scene(split, scene, found.get(split, frozenset()), expected)
        for split, scene in every
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
    trained = table.loc[table["split"] == "train", "shape"].dropna()
    table["trained_shape"] = table["shape"].isin(trained)
    drawn = [obj for _, scene in every for obj in scene.objects]
    return Tables(
        objects=_derive(table, drawn, config),
        scenes=pd.DataFrame(rows, columns=list(SCENE_COLUMNS)),
        extra_images=extra,
    )


def _derive(
    table: pd.DataFrame, objects: Sequence[SceneObject], config: SceneConfig
) -> pd.DataFrame:
    """Adds the column that only this domain has."""
    if isinstance(config, DotsConfig):
        return _with_dots(table, config)
    if isinstance(config, ClevrConfig):
        return _with_heights(table)
    if isinstance(config, So3Config):
        return _with_forward_angles(table, objects, config)
    return table


def _with_heights(objects: pd.DataFrame) -> pd.DataFrame:
    """Adds how far each object is from standing on the ground, in metres."""
    radius = objects["size"].map(dict(RADIUS_M)).astype("float64")
    return objects.assign(height_error=(objects["z"] - radius).abs())


def _with_dots(objects: pd.DataFrame, config: DotsConfig) -> pd.DataFrame:
    """Adds whether each dot lies in a training cell."""
    positions = objects[["x", "y"]].to_numpy(dtype=np.float64)
    return objects.assign(in_training_cell=in_training_cells(config, positions))


def _with_forward_angles(
    table: pd.DataFrame, objects: Sequence[SceneObject], config: So3Config
) -> pd.DataFrame:
    """Adds the angle between forward axis and held-out axis."""
    quats = np.array([obj.rotation or (1, 0, 0, 0) for obj in objects]).reshape(-1, 4)
    angles = forward_angle_deg(quats, config.held_out_axis)
    known = [obj.rotation is not None for obj in objects]
    return table.assign(forward_angle_deg=np.where(known, angles, np.nan))


def _objects(split: str, scene: Scene, expected: Expected) -> Iterator[dict[str, Any]]:
    projected = _project(scene, expected.dot_side_px)
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
            "category": obj.shape.partition("_")[0] if obj.shape else None,
            "texture_family": family_of(obj.texture) if obj.texture else None,
            **{"has_color": bool(obj.color), "has_texture": bool(obj.texture)},
            "in_frame": _in_frame(obj, scene.camera),
            **_box(obj, scene.camera, expected.extents_m or {}),
        }


def _project(scene: Scene, dot_side_px: int | None) -> FloatArray:
    """Where the locations fall in the image, ``(objects, 3)``; NaN if not known."""
    if dot_side_px is not None:  # 2D has no camera
        return scene.locations() * (dot_side_px, dot_side_px, 0)
    if scene.camera is None:
        return scene.locations() * math.nan
    return scene.camera.project(scene.locations())


def _in_frame(obj: SceneObject, camera: Camera | None) -> bool | None:
    if obj.pixel_coords is None or camera is None:
        return None
    u, v, _ = obj.pixel_coords
    return 0 <= u <= camera.width_px and 0 <= v <= camera.height_px


def _box(
    obj: SceneObject,
    camera: Camera | None,
    known: Mapping[str, tuple[float, float, float]],
) -> dict[str, float | bool | None]:
    """What the bounding box of an asset says, nothing of other objects."""
    if not (obj.location and obj.rotation and obj.extents):
        return {}
    corners = box_corners(obj.location, obj.rotation, obj.extents)
    up = float(matrix_from_quat(obj.rotation)[2, 2])
    extents = known.get(obj.shape or "", (math.nan,) * 3)
    return {
        "tilt_deg": math.degrees(math.acos(max(-1.0, min(up, 1.0)))),
        "lowest_m": float(corners[:, 2].min()),
        "extents_error_m": float(np.abs(np.subtract(obj.extents, extents)).max()),
        "box_in_image": None if camera is None else in_image(camera, corners),
    }


def _scene(
    split: str, scene: Scene, images: frozenset[str], expected: Expected
) -> dict[str, Any]:
    camera = scene.camera
    return {
        **{"split": split, "image": scene.image_filename},
        **{"objects": len(scene.objects), "lights": len(scene.lights)},
        "width": camera.width_px if camera else np.nan,
        "height": camera.height_px if camera else np.nan,
        "content": content_digest(scene),
        "camera": camera is not None,
        "has_image": scene.image_filename in images,
        "backdrop": scene.backdrop or None,
        **({} if camera is None else _view(camera, expected)),
        "closest_m": _closest(scene.locations()),
    }


def _view(camera: Camera, expected: Expected) -> dict[str, float]:
    """Where a camera stands and looks, seen from the origin."""
    matrix = np.asarray(camera.world_from_camera)
    x, y, z = matrix[:3, 3].tolist()
    u, v, _ = camera.project((0.0, 0.0, 0.0))
    view = {
        "pitch_deg": math.degrees(math.atan2(z, math.hypot(x, y))),
        "radius_m": math.hypot(x, y, z),
        "aim_error_px": math.hypot(u - camera.width_px / 2, v - camera.height_px / 2),
    }
    if expected.azimuth_deg is not None:
        turn = math.degrees(math.atan2(y, x)) - expected.azimuth_deg
        view["azimuth_error_deg"] = abs((turn + 180) % 360 - 180)
    if expected.camera is not None:
        off = np.subtract(matrix, expected.camera.world_from_camera)
        focal = camera.focal_px - expected.camera.focal_px
        view["camera_error"] = float(max(np.abs(off).max(), abs(focal)))
    return view


def _closest(locations: FloatArray) -> float:
    """Least distance of two points ``(n, 3)``, NaN where there are no two."""
    if len(locations) < 2:
        return math.nan
    steps = locations[:, None] - locations
    away = np.linalg.norm(steps, axis=-1)
    return float(away[np.triu_indices(len(locations), 1)].min())


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
    words = (obj.size, obj.color, obj.material, obj.shape, obj.texture)
    return (*words, obj.location, obj.rotation)
