"""Textures: the name decides, families differ, colors stay readable."""

from dataclasses import replace

import numpy as np
import pytest

from igllm_pipelines.domains import textures as known
from igllm_pipelines.render.materials import RGB
from igllm_pipelines.render.textures import FAMILIES, draw_look, parse_texture
from igllm_pipelines.render.turntable import asset_scene


def test_families_are_those_that_domains_know():
    assert FAMILIES == known.FAMILIES


@pytest.mark.parametrize("family", FAMILIES)
def test_name_decides_the_look(family):
    names = [f"{family}_{number:04d}" for number in range(50)]
    looks = [draw_look(name) for name in names]
    assert looks == [draw_look(name) for name in names]
    assert len({look.colors for look in looks}) == 50
    assert {len(look.colors) for look in looks} == {2, 3}
    assert parse_texture(names[0]) == family


def test_same_number_looks_different_in_another_family():
    looks = {draw_look(f"{family}_0001").grain for family in FAMILIES}
    assert len(looks) == len(FAMILIES)


def test_own_colors_go_from_dark_to_light():
    for number in range(50):
        colors = draw_look(f"noise_{number}").colors
        values = [max(color) for color in colors]
        assert values == sorted(values)
        assert values[-1] > 3 * values[0]


def test_color_word_changes_the_colors_alone():
    own, tinted = draw_look("brick_0003"), draw_look("brick_0003", "blue")
    assert replace(own, colors=tinted.colors) == tinted
    for tone in tinted.colors:
        assert np.argmax(tone) == 2
    assert draw_look("brick_0004", "blue").colors == tinted.colors


@pytest.mark.parametrize(
    "name", ["silk_0001", "wood", "wood_", "wood_-1", "wood_1 ", "", "Wood_0001"]
)
def test_what_is_no_texture_is_named(name):
    with pytest.raises(ValueError, match=f"no texture '{name}': .*wood, marble"):
        draw_look(name)


def test_what_is_no_color_is_named():
    with pytest.raises(ValueError, match="no color 'pink', there are gray"):
        draw_look("wood_0001", "pink")


@pytest.mark.blender
def test_families_look_different_and_the_same_twice(furniture):
    catalog, call = furniture
    scenes = [
        asset_scene(
            catalog["sofa_0001"], 0.5, 0.5, size_px=64, texture=f"{name}_0002",
            backdrop="white", color="blue",
        )
        for name in FAMILIES
    ]  # fmt: skip
    pictures = np.stack([call("picture", scene) for scene in scenes]).astype(int)
    for scene, picture in zip(scenes, pictures, strict=True):
        assert np.abs(call("picture", scene) - picture).max() <= 2
    objects = pictures[:, pictures[0].min(axis=-1) < 240]
    apart = np.abs(objects[:, None] - objects).mean(axis=(2, 3))
    assert apart[~np.eye(len(FAMILIES), dtype=bool)].min() > 5
    assert objects.std(axis=1).mean(axis=-1).min() > 8


@pytest.mark.blender
@pytest.mark.parametrize("family", FAMILIES)
def test_color_word_can_be_read_from_every_texture(furniture, family):
    catalog, call = furniture
    asset = catalog["sofa_0001"]
    look = {"size_px": 48, "backdrop": "white"}
    plain, textured = [], []
    for number, color in enumerate(RGB):
        texture = f"{family}_{number:04d}"
        for into, name in ((plain, None), (textured, texture)):
            scene = asset_scene(asset, 0.5, 0.5, color=color, texture=name, **look)
            image = call("picture", scene).astype(float)
            mean = image[image.min(axis=-1) < 240].mean(axis=0)
            into.append(mean / np.linalg.norm(mean))
    nearest = np.argmax(np.asarray(textured) @ np.asarray(plain).T, axis=1)
    assert nearest.tolist() == list(range(len(RGB)))


@pytest.mark.blender
def test_texture_fits_a_clevr_shape_as_it_fits_an_asset(furniture):
    _, call = furniture
    scene = asset_scene(furniture[0]["sofa_0001"], 0.5, 0.5, backdrop="white")
    cube = {"size": "small", "extents": None, "shape": "cube"}
    pictures = [
        call("picture", replace(scene, objects=(
            replace(scene.objects[0], **cube, texture=texture, color="green"),
        ))).astype(int)
        for texture in (None, "checker_0001")
    ]  # fmt: skip
    light = pictures[1][..., 1] > 0.75 * pictures[0][..., 1]
    shown = pictures[0].min(axis=-1) < 240
    assert 0.25 < light[shown].mean() < 0.75
