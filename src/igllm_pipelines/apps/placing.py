"""Predicted programs as scenes under the camera and the lights of their domain."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from igllm_pipelines.domains.sources import CONFIGS, scene_config
from igllm_pipelines.infer.package import ModelPackage
from igllm_pipelines.report.reconstruction import Rebuilt, rebuild
from igllm_pipelines.scene import ProgramError, ProgramSyntax, Scene, parse_program

# how the official pictures were taken, where the domain's defaults differ
_OFFICIAL: Mapping[str, Mapping[str, Any]] = {
    "clevr": {"width_px": 480, "height_px": 320, "lens_mm": 35.0}
}


def drawn_source(package: ModelPackage) -> Any:
    """What draws the scenes of a model: the configuration of its training data.

    Official downloads cannot be drawn from: the domain's own studio stands in, with the
    camera of their pictures.
    """
    source = scene_config(package.domain, package.scenes)
    if source.picture == "official":
        return CONFIGS[package.domain](**_OFFICIAL.get(package.domain, {}))
    return source


def placed(program: str, syntax: ProgramSyntax, source: Any, name: str) -> Rebuilt:
    """The program's scene under the nominal camera.

    Args:
        program: its text.
        syntax: of the model's programs.
        source: configuration of the domain.
        name: of the scene.
    """
    setup = replace(source.nominal(), image_filename=name)
    try:
        said = parse_program(program, syntax)
    except ProgramError as error:
        return Rebuilt(None, (f"the program does not parse: {error}",))
    return rebuild(said, setup, source.finish, syntax.attributes)


def unseen(scene: Scene) -> Iterator[str]:
    """Says which objects lie beside the picture, or that nothing is to be seen."""
    if scene.camera is None:
        return
    width, height = scene.camera.width_px, scene.camera.height_px
    outside = []
    for number, obj in enumerate(scene.objects, 1):
        u, v, _ = obj.pixel_coords or (-1, -1, 0)
        if not (0 <= u <= width and 0 <= v <= height):
            outside.append(number)
    if len(outside) == len(scene.objects):
        yield "no object lies in the picture"
        return
    for number in outside:
        yield f"the centre of object {number} lies outside the picture"
