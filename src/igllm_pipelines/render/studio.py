"""The studio in Blender: render settings, and the three backdrops."""

from itertools import pairwise
from types import ModuleType
from typing import Any

from igllm_pipelines.render.config import RenderingConfig

# profile of the sweep, x and z in metres: flat floor, curved up at the back
PROFILE = (
    (-23.556, 0.0), (-18.147, 0.0), (-13.654, 0.011), (-9.961, 0.048),
    (-6.963, 0.136), (-4.559, 0.312), (-2.656, 0.62), (-1.17, 1.114),
    (-0.021, 1.858), (0.864, 2.924), (1.55, 4.394), (2.093, 6.358),
    (2.547, 8.916), (2.955, 12.179), (3.354, 16.265), (3.776, 21.301),
    (4.081, 23.215),
)  # fmt: skip
DEPTH_M = 56.485
GROUND_LOCATION = (-24.062761, -17.99667, 0.0)
GROUND_YAW_RAD = 2.697982
# how far the camera sees: the horizon of the floor is far, CLEVR says 100 m
CLIP_START_M, CLIP_END_M = 0.1, {"sweep": 100.0, "floor": 1000.0, "white": 100.0}
# radiance of each backdrop's grey world, 1 is white: where the camera sees it, and as a
# light, low enough that the lamps still throw shadows
WORLDS = {"sweep": (0.0, 0.0), "floor": (0.9, 0.15), "white": (0.15, 0.15)}


def apply_settings(scene: Any, config: RenderingConfig) -> None:
    """Sets everything that decides how Cycles draws and how pixels are written."""
    scene.render.engine = "CYCLES"
    _apply_cycles(scene.cycles, config)
    render = scene.render
    # what Cycles keeps between pictures grows with each new material; it saves 2 ms
    render.use_persistent_data = False
    render.threads_mode, render.threads = "FIXED", 1
    render.use_compositing = render.use_sequencer = False
    render.resolution_percentage = 100
    # the factory's AgX would change every colour
    scene.view_settings.view_transform = "Standard"
    scene.view_settings.look = "None"
    scene.display_settings.display_device = "sRGB"
    image = render.image_settings
    image.file_format, image.color_mode, image.compression = "PNG", "RGB", 0


def _apply_cycles(cycles: Any, config: RenderingConfig) -> None:
    cycles.device = "CPU"
    cycles.samples, cycles.use_adaptive_sampling, cycles.seed = config.samples, False, 0
    cycles.use_denoising = config.denoise
    if config.denoise:
        cycles.denoiser = "OPENIMAGEDENOISE"
        cycles.denoising_input_passes = "RGB_ALBEDO_NORMAL"
        cycles.denoising_prefilter, cycles.denoising_quality = "FAST", "HIGH"
    cycles.max_bounces = cycles.diffuse_bounces = cycles.glossy_bounces = 4
    cycles.transmission_bounces = cycles.volume_bounces = 0
    cycles.blur_glossy = 2.0
    cycles.use_light_tree = cycles.use_auto_tile = False
    cycles.sample_clamp_indirect = 0.0


class Studio:
    """The ground and the world behind the objects, of one backdrop at a time."""

    def __init__(self, bpy: ModuleType, scene: Any) -> None:
        self._bpy = bpy
        self._scene = scene
        self._backdrop: str | None = None
        self._ground: Any = None

    def show(self, backdrop: str, camera: Any) -> None:
        """Makes this the backdrop of the pictures that `camera` takes next.

        Args:
            backdrop: of `scene.scene.BACKDROPS`; pictures before ``white`` come out
                transparent around the objects.
            camera: Blender's camera data.
        """
        if backdrop != self._backdrop:
            self._remove()
            self._build(backdrop)
        camera.clip_start, camera.clip_end = CLIP_START_M, CLIP_END_M[backdrop]
        # the denoiser would not keep white white: it stays out of the film
        clear = backdrop == "white"
        self._scene.render.film_transparent = clear
        self._scene.render.image_settings.color_mode = "RGBA" if clear else "RGB"

    def _build(self, backdrop: str) -> None:
        self._scene.world = _world(self._bpy, *WORLDS[backdrop])
        if backdrop in _GROUNDS:
            self._ground = _GROUNDS[backdrop](self._bpy)
            self._scene.collection.objects.link(self._ground)
        self._backdrop = backdrop

    def _remove(self) -> None:
        if self._scene.world is not None:
            self._bpy.data.worlds.remove(self._scene.world)
        if self._ground is not None:
            # and with the mesh its object
            self._bpy.data.meshes.remove(self._ground.data, do_unlink=True)
            self._ground = None


def _sweep(bpy: ModuleType) -> Any:
    """One smooth sheet, without material: Cycles' own diffuse grey of 0.8."""
    vertices = [(x, y, z) for x, z in PROFILE for y in (0.0, -DEPTH_M)]
    faces = [
        (2 * a, 2 * a + 1, 2 * b + 1, 2 * b) for a, b in pairwise(range(len(PROFILE)))
    ]
    mesh = bpy.data.meshes.new("Ground")
    mesh.from_pydata(vertices, [], faces)
    mesh.shade_smooth()
    ground = bpy.data.objects.new("Ground", mesh)
    ground.location = GROUND_LOCATION
    ground.rotation_euler = (0.0, 0.0, GROUND_YAW_RAD)
    return ground


def _floor(bpy: ModuleType) -> Any:
    """A plane at z = 0, without material, out to where the camera sees nothing."""
    far = CLIP_END_M["floor"]
    mesh = bpy.data.meshes.new("Floor")
    corners = [(-far, -far, 0.0), (far, -far, 0.0), (far, far, 0.0), (-far, far, 0.0)]
    mesh.from_pydata(corners, [], [(0, 1, 2, 3)])
    return bpy.data.objects.new("Floor", mesh)


def _world(bpy: ModuleType, seen: float, light: float) -> Any:
    world = bpy.data.worlds.new("World")
    if world.node_tree is None:
        world.use_nodes = True
    nodes, links = world.node_tree.nodes, world.node_tree.links
    background = nodes["Background"]
    background.inputs["Color"].default_value = (1.0, 1.0, 1.0, 1.0)
    strength = background.inputs["Strength"]
    strength.default_value = light
    if seen != light:
        mix = nodes.new("ShaderNodeMix")
        mix.inputs[2].default_value, mix.inputs[3].default_value = light, seen
        ray = nodes.new("ShaderNodeLightPath")
        links.new(ray.outputs["Is Camera Ray"], mix.inputs[0])
        links.new(mix.outputs[0], strength)
    return world


_GROUNDS = {"sweep": _sweep, "floor": _floor}
