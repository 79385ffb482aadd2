"""Scenes as Python scripts that rebuild them in stock Blender, without this package.

A script is a template with the scene as a literal in it. Everything that comes from
outside, names above all, stands there as text, number or list and nothing else: see
`literal`. Meshes of procedural assets are in the script, compressed; those of own
folders are read from the ``scene.glb`` beside it.
"""

import base64
import json
import math
import zlib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from itertools import chain, count
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from igllm_pipelines.assets import Asset, AssetsConfig, load_catalog
from igllm_pipelines.assets.mesh import load_mesh
from igllm_pipelines.render.assets import is_clevr_shape, scale_m
from igllm_pipelines.render.config import RenderingConfig
from igllm_pipelines.render.textures import draw_look, parse_texture
from igllm_pipelines.scene.rotations import quat_from_matrix, to_representation
from igllm_pipelines.scene.scene import Camera, Light, Scene, SceneObject

GLB = "scene.glb"
_DECIMALS = 6
_WIDTH = 88


def object_names(objects: Sequence[SceneObject]) -> list[str]:
    """What the objects are called in Blender, each another name.

    >>> cube = SceneObject(size="large", color="red", shape="cube")
    >>> object_names([cube, cube])
    ['large red cube', 'large red cube 2']
    """
    names: dict[str, None] = {}  # in order
    for obj in objects:
        words = (obj.size, obj.color, obj.material, obj.texture, obj.shape)
        # Blender cuts long names, and what is cut may be equal
        name = " ".join(word for word in words if word)[:40]
        numbered = (f"{name} {number}" for number in count(2))
        names[next(n for n in chain([name], numbered) if n not in names)] = None
    return list(names)


def needs_glb(scene: Scene, assets: AssetsConfig | None) -> bool:
    """Whether the script of a scene reads meshes from the .glb beside it."""
    found = (_asset(obj, assets) for obj in scene.objects)
    return any(asset is not None and asset.path is not None for asset in found)


def scene_script(
    scene: Scene, assets: AssetsConfig | None, rendering: RenderingConfig
) -> str:
    """The script of a scene that Blender has rendered.

    Args:
        scene: with camera, and objects that lack nothing.
        assets: of the domain, None for CLEVR's shapes alone.
        rendering: samples and denoising.

    Raises:
        ValueError: the scene lacks something.
        AssetError: an asset is unknown or cannot be read.
    """
    if scene.camera is None:
        raise ValueError(f"{scene.image_filename}: a scene without camera")
    names = object_names(scene.objects)
    described = {
        "name": scene.image_filename,
        "objects": [
            _object(obj, name, _asset(obj, assets))
            for obj, name in zip(scene.objects, names, strict=True)
        ],
        "camera": _camera(scene.camera),
        "lights": [_light(light) for light in scene.lights],
        "backdrop": scene.backdrop or "sweep",
        "samples": rendering.samples,
        "denoise": rendering.denoise,
    }
    found = (_asset(obj, assets) for obj in scene.objects)
    packed = {asset.id: _packed(asset) for asset in found if asset and not asset.path}
    return _fill("scene.py.txt", SCENE=described, MESHES=packed)


def dot_script(scene: Scene, *, side_px: int, radius: float) -> str:
    """The script of a 2D scene: flat discs that an orthographic camera looks down on.

    Args:
        scene: of dots; those without a position are left out.
        side_px: image size.
        radius: of a dot, in image sides.
    """
    centres = [list(obj.location[:2]) for obj in scene.objects if obj.location]
    described = {
        "name": scene.image_filename,
        "dots": [_rounded(centre) for centre in centres],
        "radius": float(radius),
        "side_px": int(side_px),
    }
    return _fill("dot.py.txt", SCENE=described)


def _fill(template: str, **values: Any) -> str:
    """The template with literals in the place of its empty ones."""
    text = files("igllm_pipelines.render").joinpath("templates", template).read_text()
    for name, value in values.items():
        before, _, after = text.partition(f"\n{name} = {{}}\n")
        text = f"{before}\n{name} = {literal(value)}\n{after}"
    return text


def literal(value: Any, indent: int = 0) -> str:
    r"""Plain data as Python source: what cannot be plain data is an error.

    Raises:
        TypeError: it is neither text, number, None, list nor mapping of text.
        ValueError: a number is not finite.

    >>> literal({"size": 0.5, "name": "'); quit()"})
    '{\'size\': 0.5, \'name\': "\'); quit()"}'
    """
    flat = _flat(value)
    if len(flat) + indent <= _WIDTH - 10 or not isinstance(value, Mapping | list):
        return flat
    inside = " " * (indent + 4)
    if isinstance(value, Mapping):
        rows = [f"{ascii(k)}: {literal(v, indent + 4)}" for k, v in value.items()]
        marks = "{}"
    else:
        rows = [literal(item, indent + 4) for item in value]
        marks = "[]"
    body = "".join(f"{inside}{row},\n" for row in rows)
    return f"{marks[0]}\n{body}{' ' * indent}{marks[1]}"


def _flat(value: Any) -> str:
    if isinstance(value, Mapping):
        if not all(type(key) is str for key in value):
            raise TypeError(f"names must be text: {list(value)}")
        rows = (f"{ascii(key)}: {_flat(item)}" for key, item in value.items())
        return "{" + ", ".join(rows) + "}"
    if type(value) is list:
        return "[" + ", ".join(map(_flat, value)) + "]"
    if type(value) is float and not math.isfinite(value):
        raise ValueError(f"a number must be finite, it is {value}")
    if value is not None and type(value) not in (str, float, int, bool):
        raise TypeError(f"{value!r} is no plain data")
    return ascii(value)


def _object(obj: SceneObject, name: str, asset: Asset | None) -> dict[str, Any]:
    if obj.location is None:
        raise ValueError("an object without location cannot be rendered")
    known: dict[str, Any] = {
        "name": name,
        "shape": obj.shape,
        "file": GLB if asset is not None and asset.path is not None else None,
        "size": obj.size if asset is None else _number(scale_m(obj)),
        "color": obj.color,
        "material": obj.material,
        "texture": _texture(obj),
    }
    pose = {
        "location": _rounded(obj.location),
        "rotation_deg": _euler_deg(obj.rotation or (1.0, 0.0, 0.0, 0.0)),
    }
    return {**{k: v for k, v in known.items() if v is not None}, **pose}


def _texture(obj: SceneObject) -> dict[str, Any] | None:
    if obj.texture is None:
        return None
    look = draw_look(obj.texture, obj.color)
    return {
        "family": parse_texture(obj.texture),
        "colors": [_rounded(color) for color in look.colors],
        "grain": _number(look.grain),
        "detail": _number(look.detail),
        "roughness": _number(look.roughness),
        "turn_deg": _rounded(np.degrees(look.turn_rad)),
        "shift": _rounded(look.shift),
    }


def _camera(camera: Camera) -> dict[str, Any]:
    matrix = np.asarray(camera.world_from_camera)
    return {
        "location": _rounded(matrix[:3, 3]),
        "rotation_deg": _euler_deg(quat_from_matrix(matrix[:3, :3])),
        "lens_mm": _number(camera.lens_mm),
        "sensor_width_mm": _number(camera.sensor_width_mm),
        "width_px": int(camera.width_px),
        "height_px": int(camera.height_px),
    }


def _light(light: Light) -> dict[str, Any]:
    return {
        "name": light.name,
        "kind": light.kind,
        "location": _rounded(light.location),
        "rotation_deg": _euler_deg(light.rotation),
        "energy": _number(light.energy),
        "size": _number(light.size),
        "color": _rounded(light.color),
    }


def _asset(obj: SceneObject, assets: AssetsConfig | None) -> Asset | None:
    """None for CLEVR's shapes.

    Raises:
        ValueError: the shape is neither.
    """
    if is_clevr_shape(obj):
        return None
    if assets is None:
        raise ValueError(f"no shape {obj.shape!r}")
    return load_catalog(assets)[str(obj.shape)]


@cache
def _packed(asset: Asset) -> dict[str, Any]:
    """An asset's mesh as the script reads it."""
    mesh = load_mesh(asset)
    numbers = {"vertices": mesh.vertices.round(_DECIMALS).tolist(), "faces": mesh.faces}
    packed = zlib.compress(json.dumps(numbers, separators=(",", ":")).encode(), 9)
    text = base64.b85encode(packed).decode()
    lines = [text[at : at + 72] for at in range(0, len(text), 72)]
    return {"smooth": mesh.smooth, "data": lines}


def _number(value: float) -> float:
    return round(float(value), _DECIMALS) + 0.0


def _rounded(values: ArrayLike) -> list[float]:
    """Floats, without minus zeros."""
    return [_number(value) for value in np.asarray(values, dtype=np.float64)]


def _euler_deg(quat: ArrayLike) -> list[float]:
    """Blender's Euler angles XYZ of a quaternion (w, x, y, z), in degrees."""
    return _rounded(np.degrees(to_representation(quat, "euler")))
