"""The CLEVR studio in Blender: render settings, black world, curved backdrop."""

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


def apply_settings(scene: Any, config: RenderingConfig) -> None:
    """Sets everything that decides how Cycles draws and how pixels are written."""
    scene.render.engine = "CYCLES"
    _apply_cycles(scene.cycles, config)
    render = scene.render
    render.use_persistent_data = True
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


def build_world(bpy: ModuleType, scene: Any) -> None:
    """A world that sheds no light."""
    world = bpy.data.worlds.new("Black")
    if world.node_tree is None:
        world.use_nodes = True
    world.node_tree.nodes["Background"].inputs["Strength"].default_value = 0.0
    scene.world = world


def build_ground(bpy: ModuleType, scene: Any) -> Any:
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
    scene.collection.objects.link(ground)
    return ground
