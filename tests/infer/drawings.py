"""Scenes drawn without Blender: soft discs where a camera sees the objects."""

import numpy as np

from igllm_pipelines.render.materials import RGB
from igllm_pipelines.scene.scene import Camera, Scene, SceneObject

RADIUS_M = {"large": 0.7, "small": 0.35}
CAMERA = Camera.look_at(
    (7.5, -6.5, 5.3),
    (0, 0, 0),
    lens_mm=42,
    sensor_width_mm=32,
    width_px=96,
    height_px=96,
)


def ball(x, y, color="red", size="large"):
    location = (x, y, RADIUS_M[size])
    return SceneObject(location=location, size=size, color=color, shape="sphere")


def scene_of(*objects):
    return Scene(tuple(objects), camera=CAMERA)


def draw_discs(scenes):
    """Discs with soft rims on grey, near ones over far ones."""
    return [_drawn(scene) for scene in scenes]


def _drawn(scene):
    camera = scene.camera
    picture = np.full((camera.height_px, camera.width_px, 3), 0.5)
    rows, columns = np.indices(picture.shape[:2]) + 0.5
    seen = [(camera.project(o.location), o) for o in scene.objects]
    for (u, v, depth), obj in sorted(seen, key=lambda row: -row[0][2]):
        radius = RADIUS_M[obj.size] * camera.focal_px / depth
        inside = np.clip(radius + 0.5 - np.hypot(columns - u, rows - v), 0, 1)[
            ..., None
        ]
        picture = (1 - inside) * picture + inside * np.array(RGB[obj.color]) / 255
    return np.round(255 * picture).astype(np.uint8)
