"""Small official downloads: the fields and files of the official layout, no others."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image

SPLITS = {
    "CLEVR": ("train", "val_ID", "val_OOD"),
    "SO3": ("train", "val_ID", "val_OOD"),
    "6DoF": ("train", "val_ID"),
    "ShapeNet": ("train", "val_ID", "val_OOD_texture", "val_OOD_shape"),
}
COUNT = 3  # scenes a split
# objects of each scene
NUMBERS = {
    "CLEVR": (3, 4, 3),
    "SO3": (1, 1, 1),
    "6DoF": (1, 1, 1),
    "ShapeNet": (1, 2, 5),
}


def _clevr(rng):
    x, y = rng.uniform(-2.9, 2.9, 2).round(6).tolist()
    return {
        **{"shape": "sphere", "size": "large", "material": "rubber", "color": "gray"},
        **{"3d_coords": [x, y, 0.7], "rotation": 269.8490164},
        "pixel_coords": [int(rng.integers(40, 440)), int(rng.integers(40, 280)), 10.5],
    }


def _posed(rng, words):
    location = rng.uniform(-0.5, 0.5, 3).tolist()
    angles = rng.uniform(-1.5, 1.5, 3).tolist()
    pixels = [*rng.uniform(20, 200, 2).tolist(), 2.5]
    return {
        "3d_coords": location,
        "rotation": angles,
        "pixel_coords": pixels,
        **words,
    }


OBJECTS = {
    "CLEVR": _clevr,
    "SO3": lambda rng: _posed(rng, {}),
    "6DoF": lambda rng: _posed(
        rng, {"color": "red", "material": "metal", "shape": "airplane_3"}
    ),
    "ShapeNet": lambda rng: _posed(rng, {"color": "blue", "shape": "chair_1a2b"}),
}


def picture(value: int, size: tuple[int, int] = (48, 32)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, (value, 0, 255 - value)).save(file, format="PNG")
    return file.getvalue()


def write_images(path: Path, images: dict[str, bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, data in images.items():
            info = tarfile.TarInfo(f"./{path.stem}/{name}")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def write_download(root: Path) -> Path:
    """The whole download: five domains, `COUNT` scenes a split."""
    for number, (folder, splits) in enumerate(SPLITS.items()):
        rng = np.random.default_rng(number)
        for split in splits:
            write_split(root / folder, split, OBJECTS[folder], rng)
    write_dots(root / "2D" / "2d.npz")
    return root


def write_split(folder: Path, split: str, make, rng) -> None:
    names = [f"{folder.name}_{split}_{index:06d}.png" for index in range(COUNT)]
    unseen = {"shape": "chair_9f9f"} if split == "val_OOD_shape" else {}
    scenes = [
        {
            "image_filename": name,
            "objects": [{**make(rng), **unseen} for _ in range(number)],
        }
        for name, number in zip(names, NUMBERS[folder.name], strict=True)
    ]
    write_images(
        folder / "images" / f"{split}.tar",
        {name: picture(40 * index) for index, name in enumerate(names)},
    )
    labels = folder / "labels" / f"{split}.json"
    labels.parent.mkdir(parents=True, exist_ok=True)
    # the official files have both forms
    labels.write_text(json.dumps({"scenes": scenes} if split == "train" else scenes))


def write_dots(path: Path, training: int = 30) -> None:
    rng = np.random.default_rng(5)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(
        path,
        checkerboard_sparse=rng.uniform(0.05, 0.95, (training, 2)),
        random=rng.uniform(0, 1, (7, 2)),
    )
