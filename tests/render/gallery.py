"""Assets for tests: files that the tests write, and workers that show them."""

import json
import re
import shutil
import struct
from dataclasses import dataclass

import numpy as np
from PIL import Image

from igllm_pipelines.assets import AssetsConfig
from tests.assets.shapes import edit_glb
from tests.render.workers import Probe

RED, BLUE, GREEN = (1.0, 0.0, 0.0), (0.0, 0.0, 1.0), (0.0, 1.0, 0.0)
FACES = (
    *((0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1)),
    *((2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)),
)
NODE_MOVE, NODE_SCALE = (0.5, -1.0, 2.0), 2.0
DULL = "Ks 0.5 0.5 0.5\nNs 0\n"  # the shine of a glTF material that is wholly rough
# an L in the object frame, no two of its views alike: lowest and highest x, y, z
PARTS = {
    "foot": ((0.0, 0.0, 0.0), (2.0, 0.6, 0.4), RED),
    "post": ((0.0, 0.2, 0.4), (0.5, 0.6, 1.4), BLUE),
}


@dataclass(frozen=True)
class Gallery:
    """A source of no scenes: its assets are all that counts."""

    assets: AssetsConfig
    picture = "blender"


class Keeper(Probe):
    """Tells and limits what Blender holds."""

    def held(self):
        import bpy

        kinds = (
            *("objects", "meshes", "materials", "images", "collections", "actions"),
            *("scenes",),
        )
        return {kind: len(getattr(bpy.data, kind)) for kind in kinds}

    def keep(self, num_bytes):
        self._blender()._library._max_bytes = num_bytes

    def clear(self):
        self._blender()._clear()

    def slots(self, scene):
        """Names of the materials of each object, after the scene was placed."""
        renderer = self._blender()
        renderer.place(scene)
        return [
            [slot.material.name for slot in obj.material_slots]
            for obj in renderer._objects
        ]


def box(low, high):
    """Corners (8, 3) of a box."""
    return np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)]) * (
        np.subtract(high, low)
    ) + np.asarray(low)


def write_gallery(root):
    """A folder with an L as OBJ and as GLB, copies of both, and textured boxes."""
    write_obj(root / "l.obj", PARTS)
    write_glb(root / "l.glb", PARTS)
    write_textured(root)
    shutil.copy(root / "l.glb", root / "scenes.glb")
    edit_glb(root / "scenes.glb", _add_what_is_not_shown)
    models = {"obj": "l.obj", "glb": "l.glb", "sheet": "sheet.obj"}
    models["scenes"] = "scenes.glb"
    bare = (root / "sheet.obj").read_text().replace("sheet.mtl", "bare.mtl")
    (root / "bare.obj").write_text(bare)
    (root / "bare.mtl").write_text("newmtl sheet\nKd 0 0 1\nmap_Kd gone.png\n")
    models["bare"] = "bare.obj"
    for name, path in (("torn", "l.obj"), ("broken", "l.glb")):
        models[name] = f"{name}{path[1:]}"
        shutil.copy(root / path, root / models[name])
    entries = [
        {"id": name, "category": "chair", "path": path} for name, path in models.items()
    ]
    (root / "manifest.json").write_text(json.dumps(entries))


def write_obj(path, parts):
    """An OBJ with y up and -z forward, a material each part."""
    lines, materials = [f"mtllib {path.stem}.mtl"], []
    for number, (name, (low, high, color)) in enumerate(parts.items()):
        lines += [f"v {x} {z} {-y}" for x, y, z in box(low, high)]
        lines += [f"usemtl {name}"]
        lines += [
            "f " + " ".join(str(index + 1 + 8 * number) for index in face)
            for face in FACES
        ]
        materials += [f"newmtl {name}\nKd {' '.join(map(str, color))}\n{DULL}"]
    path.write_text("\n".join(lines) + "\n")
    path.with_suffix(".mtl").write_text("\n".join(materials))


def write_textured(root):
    """A box whose only color is the green of its image."""
    Image.new("RGB", (4, 4), (0, 255, 0)).save(root / "green.png")
    write_obj(root / "sheet.obj", {"sheet": ((0, 0, 0), (1, 0.5, 0.7), RED)})
    (root / "sheet.mtl").write_text("newmtl sheet\nKd 1 1 1\nmap_Kd green.png\n")
    path = root / "sheet.obj"
    lines = path.read_text().splitlines()
    # each corner of a face gets the one texture coordinate
    lines = [re.sub(r" (\d+)", r" \1/1", x) if x[0] == "f" else x for x in lines]
    path.write_text("\n".join(["vt 0.5 0.5", *lines]) + "\n")


def write_glb(path, parts):
    """A binary glTF with y up and z forward; each part's node moves and scales it."""
    triangles = [half for a, b, c, d in FACES for half in ((a, b, c), (a, c, d))]
    indices = np.array(triangles, dtype="<u2").tobytes()
    data, document = bytearray(indices), _empty_gltf(len(indices))
    for low, high, color in parts.values():
        x, y, z = box(low, high).T
        points = ((np.stack([-x, z, y], axis=1) - NODE_MOVE) / NODE_SCALE).astype("<f4")
        _add_part(document, points, len(data), color)
        data += points.tobytes()
    document["buffers"] = [{"byteLength": len(data)}]
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    chunks = struct.pack("<II", len(text), 0x4E4F534A) + text
    chunks += struct.pack("<II", len(data), 0x004E4942) + bytes(data)
    path.write_bytes(struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks)


def _add_what_is_not_shown(document):
    """A second scene and a node of no scene, far from what the first one shows."""
    number = len(document["nodes"])
    document["nodes"] += [{"mesh": 0, "translation": [x, 0, 0]} for x in (50, 90)]
    document["scenes"].append({"nodes": [number]})


def _empty_gltf(index_bytes):
    return {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": []}],
        "nodes": [],
        "meshes": [],
        "materials": [],
        "accessors": [
            {"bufferView": 0, "componentType": 5123, "count": 36, "type": "SCALAR"}
        ],
        "bufferViews": [{"buffer": 0, "byteOffset": 0, "byteLength": index_bytes}],
    }


def _add_part(document, points, start, color):
    number = len(document["meshes"])
    document["scenes"][0]["nodes"].append(number)
    placed = {"translation": NODE_MOVE, "scale": [NODE_SCALE] * 3}
    document["nodes"].append({"mesh": number, **placed})
    document["materials"].append(
        {
            "pbrMetallicRoughness": {
                "baseColorFactor": [*color, 1.0],
                "metallicFactor": 0.0,
                "roughnessFactor": 1.0,
            }
        }
    )
    document["bufferViews"].append(
        {"buffer": 0, "byteOffset": start, "byteLength": points.nbytes}
    )
    document["accessors"].append(
        {
            "bufferView": number + 1,
            "componentType": 5126,
            "count": 8,
            "type": "VEC3",
            "min": points.min(axis=0).tolist(),
            "max": points.max(axis=0).tolist(),
        }
    )
    surface = {"attributes": {"POSITION": number + 1}, "indices": 0, "material": number}
    document["meshes"].append({"primitives": [surface]})
