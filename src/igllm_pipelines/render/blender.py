"""Renders scenes with bpy: one `BlenderRenderer` lives in each worker process.

Blender keeps one global scene a process and needs the process's main thread, so this
module is imported by workers only. The studio is built once; meshes and CLEVR's
materials are shared between scenes and textures removed after theirs, so that memory
stays flat.
"""

import os
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from igllm_pipelines.assets import AssetsConfig
from igllm_pipelines.render.assets import is_clevr_shape, scale_m
from igllm_pipelines.render.bpy_module import import_bpy
from igllm_pipelines.render.config import RenderingConfig
from igllm_pipelines.render.library import Body, Library
from igllm_pipelines.render.materials import build_material
from igllm_pipelines.render.saving import save_blend, save_glb
from igllm_pipelines.render.script import object_names
from igllm_pipelines.render.studio import Studio, apply_settings
from igllm_pipelines.render.textures import build_texture
from igllm_pipelines.render.visibility import count_visible_pixels
from igllm_pipelines.scene.scene import Camera, Light, Scene, SceneObject


class BlenderRenderer:
    """Renders any number of scenes in this process.

    Args:
        config: samples and denoising; what concerns the pool is not used here.
        assets: which the scenes show besides CLEVR's shapes, None for no others.
    """

    def __init__(self, config: RenderingConfig, assets: AssetsConfig | None) -> None:
        self.bpy = import_bpy()
        self.bpy.ops.wm.read_factory_settings(use_empty=True)
        self._scene = self.bpy.context.scene
        self._config = config
        apply_settings(self._scene, config)
        self._studio = Studio(self.bpy, self._scene)
        self._library = Library(self.bpy, assets)
        self._materials: dict[tuple[str, str], Any] = {}
        self._textures: list[Any] = []
        self._lamps: list[Any] = []
        self._objects: list[Any] = []
        self._described: tuple[SceneObject, ...] = ()
        self._camera = self._add("Camera", self.bpy.data.cameras.new("Camera"))
        self._scene.camera = self._camera
        # read and removed after each render: a worker may be killed at any moment
        name = f"igllm-render-{uuid.uuid4().hex}.png"
        self._file = Path(tempfile.gettempdir()) / name
        self._scene.render.filepath = str(self._file)

    def visible_pixels(self, scene: Scene) -> list[int]:
        """Number of image pixels in which each object is seen, from half-size rays."""
        self._clear()
        bodies = [self._library.body(obj) for obj in scene.objects]
        return count_visible_pixels(scene, bodies)

    def render(self, scene: Scene) -> NDArray[np.uint8]:
        """The picture ``(height, width, 3)``.

        Raises:
            ValueError: the scene has no camera, or an object lacks an attribute.
            AssetError: an object's asset cannot be loaded.
        """
        self.place(scene)
        self.call_cycles()
        with Image.open(self._file) as image:
            picture = Image.new("RGBA", image.size, "white")
            picture.alpha_composite(image.convert("RGBA"))
        self._file.unlink()
        return np.asarray(picture.convert("RGB"))

    @contextmanager
    def settings(self, config: RenderingConfig) -> Iterator[None]:
        """Inside it pictures have other samples and denoising."""
        apply_settings(self._scene, config)
        try:
            yield
        finally:
            apply_settings(self._scene, self._config)

    def call_cycles(self) -> None:
        """The bare call of Cycles; the picture lands in a scratch file."""
        self.bpy.ops.render.render(write_still=True)

    def save(self, kinds: Sequence[str]) -> dict[str, bytes]:
        """The scene that was rendered last as files, by kind.

        Args:
            kinds: of ``blend`` and ``glb``.
        """
        makers = {"blend": self._save_blend, "glb": self._save_glb}
        with tempfile.TemporaryDirectory(prefix="igllm-save-") as folder:
            paths = {kind: Path(folder, f"scene.{kind}") for kind in kinds}
            for kind, path in paths.items():
                makers[kind](path)
            return {kind: path.read_bytes() for kind, path in paths.items()}

    def _save_blend(self, path: Path) -> None:
        save_blend(self.bpy, path)

    def _save_glb(self, path: Path) -> None:
        save_glb(self.bpy, path, self._objects, self._described, self._camera)

    def place(self, scene: Scene) -> None:
        """Puts camera, lamps and objects of `scene` where they belong."""
        if scene.camera is None:
            raise ValueError(f"{scene.image_filename}: a scene without camera")
        self._place_camera(scene.camera)
        self._place_lights(scene.lights)
        self._studio.show(scene.backdrop or "sweep", self._camera.data)
        self._clear()
        self._described = scene.objects
        names = object_names(scene.objects)
        for obj, name in zip(scene.objects, names, strict=True):
            self._objects.append(self._place_object(obj, name))

    def _clear(self) -> None:
        """Removes the objects of the last scene, and what only they needed."""
        while self._objects:
            self.bpy.data.objects.remove(self._objects.pop(), do_unlink=True)
        while self._textures:
            self.bpy.data.materials.remove(self._textures.pop())
        self._library.trim()

    def _add(self, name: str, data: Any) -> Any:
        obj = self.bpy.data.objects.new(name, data)
        self._scene.collection.objects.link(obj)
        obj.rotation_mode = "QUATERNION"
        return obj

    def _place_camera(self, camera: Camera) -> None:
        from mathutils import Matrix

        self._camera.matrix_world = Matrix(camera.world_from_camera)
        data = self._camera.data
        data.lens, data.sensor_width = camera.lens_mm, camera.sensor_width_mm
        data.sensor_fit = "AUTO"
        self._scene.render.resolution_x = camera.width_px
        self._scene.render.resolution_y = camera.height_px

    def _place_lights(self, lights: tuple[Light, ...]) -> None:
        kinds = [light.kind for light in lights]
        if [lamp.data.type for lamp in self._lamps] != kinds:
            self._new_lamps(lights)
        for lamp, light in zip(self._lamps, lights, strict=True):
            lamp.location = light.location
            lamp.rotation_quaternion = light.rotation
            lamp.data.energy, lamp.data.color = light.energy, light.color
            if light.kind == "SUN":
                lamp.data.angle = light.size
            else:
                lamp.data.shape, lamp.data.size = "SQUARE", light.size

    def _new_lamps(self, lights: tuple[Light, ...]) -> None:
        for lamp in self._lamps:
            self.bpy.data.lights.remove(lamp.data, do_unlink=True)
        self._lamps = [
            self._add(light.name, self.bpy.data.lights.new(light.name, light.kind))
            for light in lights
        ]

    def _place_object(self, described: SceneObject, name: str) -> Any:
        for needed in ("location", "shape"):
            if getattr(described, needed) is None:
                raise ValueError(f"an object without {needed} cannot be rendered")
        body, scale = self._library.body(described), scale_m(described)
        material = self._material(described, body)
        obj = self._add(name, body.mesh)
        obj.location = described.location
        obj.rotation_quaternion = described.rotation or (1.0, 0.0, 0.0, 0.0)
        obj.scale = (scale,) * 3
        if material is not None:
            for slot in obj.material_slots:
                slot.link, slot.material = "OBJECT", material
        return obj

    def _material(self, obj: SceneObject, body: Body) -> Any:
        """What covers the whole object; None for its mesh's own materials."""
        if obj.texture is not None:
            made = build_texture(self.bpy, obj.texture, obj.color, body.diagonal)
            self._textures.append(made)
            return made
        if obj.color is None:
            if is_clevr_shape(obj):
                raise ValueError(f"a {obj.shape} without color cannot be rendered")
            return None
        key = (obj.material or "rubber", obj.color)
        if key not in self._materials:
            self._materials[key] = build_material(self.bpy, *key)
        return self._materials[key]


def silence_stdout() -> None:
    """Sends standard output to nowhere: Blender's C code writes there."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)
