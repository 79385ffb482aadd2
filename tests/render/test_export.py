"""What is exported opens elsewhere: in stock Blender, in any viewer, without us."""

import ast
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

from igllm_pipelines.assets import AssetsConfig, load_catalog
from igllm_pipelines.domains.clevr import ClevrConfig
from igllm_pipelines.domains.dots import DotsConfig
from igllm_pipelines.domains.shapenet import ShapeNetConfig
from igllm_pipelines.domains.six_dof import SixDofConfig
from igllm_pipelines.domains.so3 import So3Config
from igllm_pipelines.render.config import RenderingConfig
from igllm_pipelines.render.export import export_scenes
from igllm_pipelines.render.job import scene_pool
from igllm_pipelines.render.materials import RGB
from igllm_pipelines.render.script import literal, object_names, scene_script
from igllm_pipelines.render.textures import FAMILIES, draw_look
from igllm_pipelines.scene import Light, SceneObject, scene_from_record
from tests.render.gallery import Gallery

RENDERING = RenderingConfig(workers=1, samples=4)
ASSETS = AssetsConfig(categories=("sofa", "chair", "table", "airplane"), per_category=5)
FURNITURE = replace(ASSETS, categories=("sofa", "chair", "table"))
AIRPLANES = replace(ASSETS, categories=("airplane",), held_out=0.0)
SMALL = {"width_px": 96, "height_px": 96}
TOLERANCE = 0.5  # mean absolute difference of two pictures, of 255

OPEN_BLEND = """
import json, sys, bpy
bpy.ops.wm.open_mainfile(filepath=sys.argv[1])
scene = bpy.context.scene
print("FOUND" + json.dumps({
    "objects": sorted(obj.name for obj in scene.objects),
    "camera": scene.camera.name,
    "lights": sorted(o.name for o in scene.objects if o.type == "LIGHT"),
    "world": scene.world is not None,
    "meshes": len(bpy.data.meshes),
    "unpacked": [i.name for i in bpy.data.images if i.filepath and not i.packed_file],
    "output": scene.render.filepath,
}))
scene.render.filepath = sys.argv[2]
bpy.ops.render.render(write_still=True)
"""


def textured():
    """An asset in each family of textures, with own colors and in a word's."""
    scene = ShapeNetConfig(assets=FURNITURE, **SMALL).nominal()
    chair = load_catalog(FURNITURE)["sofa_0000"]
    objects = [
        SceneObject(
            location=(2.4 * (i % 3 - 1), 2.4 * (i // 3 - 1), 0.7),
            rotation=(1.0, 0.0, 0.0, 0.1 * i),
            shape=chair.id,
            color="blue" if i % 2 else None,
            texture=f"{family}_000{i}",
            extents=tuple(2 * side for side in chair.extents),
        )
        for i, family in enumerate(FAMILIES)
    ]
    plain = replace(objects[0], location=(2.4, 2.4, 0.7), texture=None)
    return replace(scene, objects=(*objects, plain))


SCENES = {
    "clevr": ClevrConfig(**SMALL).draw(5, "val_OOD", 0, 0),
    "so3": So3Config(assets=AIRPLANES, **SMALL).draw(5, "train", 0, 0),
    "6dof": SixDofConfig(assets=AIRPLANES, **SMALL).draw(5, "train", 1, 0),
    "shapenet": ShapeNetConfig(assets=FURNITURE, **SMALL).draw(5, "train", 0, 0),
    "textured": textured(),
}


@pytest.fixture(scope="module")
def exported(ray_session, tmp_path_factory):
    """All of `SCENES`, and one that cannot be rendered, by one Blender."""
    root = tmp_path_factory.mktemp("exported")
    (cube,) = SCENES["clevr"].objects[:1]
    bad = replace(SCENES["clevr"], objects=(replace(cube, material="wood"),))
    scenes = {"bad": bad, **SCENES}
    source = Gallery(ASSETS)
    with scene_pool(source, RENDERING) as pool:
        made = export_scenes(
            list(scenes.values()),
            source,
            RENDERING,
            [root / name for name in scenes],
            pool=pool,
        )
    return dict(zip(scenes, made, strict=True))


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(float)


def difference(a, b):
    return np.abs(pixels(a) - pixels(b)).mean()


def run(arguments, folder):
    """Runs Python as a user would who has bpy and not this package."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    command = [sys.executable, *map(str, arguments)]
    done = subprocess.run(
        command,
        check=False,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:] + done.stdout[-2000:]
    return done.stdout


@pytest.mark.blender
def test_every_file_is_there(exported):
    names = {
        *("scene.json", "render.png", "scene.blend", "scene.glb", "scene.py"),
    }
    for name in SCENES:
        found = exported[name]
        assert found.problem is None
        assert {path.name for path in found.folder.iterdir()} == names
        assert {path.name for path in found.files.values()} == names


@pytest.mark.blender
def test_label_reads_back(exported):
    for name, scene in SCENES.items():
        record = json.loads(exported[name].files["scene"].read_text())
        found = scene_from_record(record, "here")
        assert found.engine.startswith("bpy 5")
        named = replace(scene, image_filename=scene.image_filename or "textured.png")
        assert replace(found, engine="") == named


@pytest.mark.blender
def test_scene_that_cannot_be_rendered_is_told_of(exported):
    bad = exported["bad"]
    assert "no material 'wood'" in bad.problem
    assert set(bad.files) == {"scene"}


@pytest.mark.blender
@pytest.mark.parametrize("name", SCENES)
def test_script_renders_the_same_picture(exported, tmp_path, name):
    script = tmp_path / "scene.py"
    script.write_bytes(exported[name].files["script"].read_bytes())
    run([script, "--", "--render", "out.png"], tmp_path)
    picture = tmp_path / "out.png"
    assert difference(picture, exported[name].files["picture"]) < TOLERANCE
    others = [n for n in SCENES if n != name]
    for other in others:
        assert difference(picture, exported[other].files["picture"]) > 2 * TOLERANCE


@pytest.mark.blender
@pytest.mark.parametrize("name", ["clevr", "textured"])
def test_blend_opens(exported, tmp_path, name):
    script = tmp_path / "open.py"
    script.write_text(OPEN_BLEND)
    picture = tmp_path / "out.png"
    said = run([script, exported[name].files["blend"], picture], tmp_path)
    (line,) = [row for row in said.splitlines() if row.startswith("FOUND")]
    found = json.loads(line.removeprefix("FOUND"))
    scene = SCENES[name]
    ground = {"clevr": "Ground", "textured": "Floor"}[name]
    lights = [light.name for light in scene.lights]
    names = [*object_names(scene.objects), *lights, "Camera", ground]
    assert found == {
        "objects": sorted(names),
        "camera": "Camera",
        "lights": sorted(lights),
        "world": True,
        "meshes": len({obj.shape for obj in scene.objects}) + 1,
        "unpacked": [],
        "output": "//render.png",
    }
    assert difference(picture, exported[name].files["picture"]) < TOLERANCE


def glb_objects(path):
    """Name: position in our axes, mesh and material of each mesh of a file."""
    scene = trimesh.load(path)
    found = {}
    for node in scene.graph.nodes_geometry:
        matrix, geometry = scene.graph[node]
        x, y, z = matrix[:3, 3]
        mesh = scene.geometry[geometry]
        found[node] = (x, -z, y), mesh, mesh.visual.material
    return found


@pytest.mark.blender
@pytest.mark.parametrize("name", SCENES)
def test_glb_holds_the_objects_and_their_colors(exported, name):
    found = glb_objects(exported[name].files["glb"])
    scene = SCENES[name]
    assert set(found) == set(object_names(scene.objects))
    for label, obj in zip(object_names(scene.objects), scene.objects, strict=True):
        place, _, material = found[label]
        assert place == pytest.approx(obj.location, abs=1e-5)
        if obj.texture is not None:
            continue
        if obj.color is None:  # an asset without own materials
            assert material.baseColorFactor[:3].tolist() == pytest.approx([128] * 3, 1)
            continue
        assert tuple(material.baseColorFactor[:3]) == RGB[obj.color]
        metal = obj.material == "metal"
        metallic = 1.0 if material.metallicFactor is None else material.metallicFactor
        assert metallic == metal
        assert (material.roughnessFactor < 0.4) == metal


@pytest.mark.blender
def test_glb_shows_textures_in_their_colors(exported):
    found = glb_objects(exported["textured"].files["glb"])
    scene = SCENES["textured"]
    for label, obj in zip(object_names(scene.objects), scene.objects, strict=True):
        if obj.texture is None:
            continue
        _, mesh, material = found[label]
        assert 0 <= mesh.visual.uv.min() <= mesh.visual.uv.max() <= 1
        seen = np.asarray(material.baseColorTexture.convert("RGB")).reshape(-1, 3) / 255
        seen = seen[seen.max(axis=1) > 0]  # between the islands there is nothing
        linear = np.where(seen > 0.04045, ((seen + 0.055) / 1.055) ** 2.4, seen / 12.92)
        colors = np.asarray(draw_look(obj.texture, obj.color).colors)
        low, high = colors.min(axis=0), colors.max(axis=0)
        inside = ((linear > low - 0.03) & (linear < high + 0.03)).all(axis=1)
        assert inside.mean() > 0.95
        assert linear.std(axis=0).max() > 0.02  # it is a pattern


@pytest.mark.blender
def test_own_models_come_from_the_glb_beside_the_script(gallery, tmp_path):
    catalog, call = gallery
    scene = ShapeNetConfig(assets=FURNITURE, **SMALL).nominal()
    objects = [
        SceneObject(
            location=(1.8 * x, 1.8 * y, 0.8),
            rotation=(1.0, 0.0, 0.0, 0.2 * x),
            shape=asset.id,
            extents=tuple(2 * side for side in asset.extents),
            color="red" if y > 0 else None,
        )
        for x, asset in enumerate(
            catalog[f"chair_{n}"] for n in ("obj", "glb", "sheet")
        )
        for y in (-0.5, 0.5)
    ]
    scene = replace(scene, objects=tuple(objects))
    made = call("export", scene, ("script", "blend"))
    assert set(made) == {"picture", "script", "glb", "blend"}
    names = {"picture": "render.png", "script": "scene.py", "blend": "scene.blend"}
    for key, name in names.items():
        (tmp_path / name).write_bytes(made[key])
    with pytest.raises(AssertionError, match="scene.glb is missing"):
        run(["scene.py"], tmp_path)
    (tmp_path / "scene.glb").write_bytes(made["glb"])
    run(["scene.py", "--", "--render", "out.png"], tmp_path)
    assert difference(tmp_path / "out.png", tmp_path / "render.png") < TOLERANCE
    colors = {
        tuple(material.baseColorFactor[:3])
        for label, (_, _, material) in glb_objects(tmp_path / "scene.glb").items()
        if "sheet" not in label
    }
    (tmp_path / "open.py").write_text(OPEN_BLEND)
    said = run(["open.py", "scene.blend", tmp_path / "blend.png"], tmp_path)
    assert '"unpacked": []' in said
    assert difference(tmp_path / "blend.png", tmp_path / "render.png") < TOLERANCE
    # the l.obj and the l.glb are blue and red, and painted ones CLEVR's red
    assert {(255, 0, 0), (0, 0, 255), RGB["red"]} <= colors


@pytest.mark.blender
def test_export_leaves_nothing_in_blender(furniture):
    _, call = furniture
    few = SCENES["textured"].objects[-2:]  # one with a texture, one without
    scenes = replace(SCENES["textured"], objects=few), SCENES["clevr"]
    for scene in scenes:
        call("export", scene, ("blend", "glb", "script"))
    call("clear")
    before = call("held")
    for scene in scenes:
        assert set(call("export", scene, ("glb",))) == {"picture", "glb"}
    call("clear")
    assert call("held") == before


@pytest.mark.blender
def test_dot_script_renders_the_dot(tmp_path):
    config = DotsConfig()
    dots = [config.draw(5, "train", index, 0).objects[0] for index in range(2)]
    scene = replace(config.nominal(), objects=tuple(dots))
    (made,) = export_scenes([scene], config, RENDERING, [tmp_path / "dot"])
    assert set(made.files) == {"scene", "picture", "script"}
    run([made.files["script"], "--", "--render", "out.png"], tmp_path)
    ours, theirs = pixels(made.files["picture"]), pixels(tmp_path / "out.png")
    assert np.abs(ours - theirs).mean() < TOLERANCE
    for dot in dots:
        x, y = (round(side * config.width_px - 0.5) for side in dot.location[:2])
        for picture in (ours, theirs):
            assert picture[y, x] == pytest.approx([255, 0, 0], abs=2)


HOSTILE = [
    "'); open('owned', 'w').close(); ('",
    '"""\nopen("owned", "w").close()\n"""',
    "\\'\nimport os; os.mkdir('owned')\n#",
    "\nMESHES = {}\nopen('owned', 'w')\nSCENE = {}\n",
    "{open('owned', 'w')}\ud800\u2028",
]


def hostile(text):
    scene = SCENES["clevr"]
    (first, *others) = scene.lights
    lamp = Light(
        *(text, first.kind, first.location, first.rotation),
        *(first.energy, first.size, first.color),
    )
    return replace(scene, image_filename=text, lights=(lamp, *others))


def parts(script):
    """What is code of a script, and what its literal says."""
    tree = ast.parse(script)
    data = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and node.targets[0].id in ("SCENE", "MESHES"):
            data[node.targets[0].id] = ast.literal_eval(node.value)
            node.value = ast.Constant(None)
    return ast.dump(tree), data


@pytest.mark.parametrize("text", HOSTILE)
def test_names_never_become_code(text):
    harmless, _ = parts(scene_script(SCENES["clevr"], None, RENDERING))
    code, data = parts(scene_script(hostile(text), None, RENDERING))
    assert code == harmless
    assert data["SCENE"]["name"] == text
    assert data["SCENE"]["lights"][0]["name"] == text


@pytest.mark.blender
def test_hostile_script_does_nothing_but_build(tmp_path):
    script = tmp_path / "scene.py"
    script.write_text(scene_script(hostile(HOSTILE[0]), None, RENDERING))
    run([script], tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["scene.py"]


def test_shape_of_a_hostile_name_is_no_shape():
    scene = SCENES["clevr"]
    objects = (replace(scene.objects[0], shape=HOSTILE[0]),)
    with pytest.raises(ValueError, match="no shape"):
        scene_script(replace(scene, objects=objects), None, RENDERING)


class Sly(str):
    __slots__ = ()

    def __repr__(self):
        return "quit()"


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), np.float64(1), Sly("a"), {1: 2}, {"a": (1,)}, b""],
)
def test_only_plain_data_is_written(value):
    for wrapped in (value, [value], {"key": [value] * 40}):
        with pytest.raises((TypeError, ValueError)):
            literal(wrapped)


def test_literal_reads_back_however_long():
    value = {"a": [[0.5, -1, None, True], {"b": "x" * 90}] * 9, "c": {}, "d": []}
    assert ast.literal_eval(literal(value)) == value
    assert max(map(len, literal(value).splitlines())) < 130


def test_script_says_what_the_scene_says():
    scene = SCENES["clevr"]
    _, data = parts(scene_script(scene, None, RENDERING))
    for said, obj in zip(data["SCENE"]["objects"], scene.objects, strict=True):
        for name in ("shape", "size", "color", "material"):
            assert said[name] == getattr(obj, name)
        assert said["location"] == pytest.approx(obj.location, abs=1e-6)
    assert data["SCENE"]["samples"] == RENDERING.samples
    assert data["MESHES"] == {}


def test_same_objects_have_names_of_their_own():
    cube = SceneObject(size="small", color="red", shape="cube")
    names = object_names([cube, cube, replace(cube, color="blue"), cube])
    assert names == [
        *("small red cube", "small red cube 2", "small blue cube"),
        "small red cube 3",
    ]
    assert len({*object_names([cube] * 1100)}) == 1100
    long = object_names([SceneObject(shape="x" * 300), SceneObject(shape="x" * 300)])
    assert len(set(long)) == 2
    assert max(map(len, long)) < 60


def test_bad_calls_are_errors(tmp_path):
    scene, config = SCENES["clevr"], ClevrConfig()
    with pytest.raises(ValueError, match="2 scenes need as many folders"):
        export_scenes([scene, scene], config, RENDERING, [tmp_path, tmp_path])
    with pytest.raises(ValueError, match="unknown kinds"):
        export_scenes([scene], config, RENDERING, [tmp_path], kinds=("obj",))
    assert list(Path(tmp_path).iterdir()) == []
