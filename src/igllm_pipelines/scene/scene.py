"""What a scene is: objects, camera and lights as frozen data.

World frame: metres, right-handed, z up. Pixel frame: origin at the top-left corner of
the image, u to the right, v down, in pixels. Depth is the distance along the view
axis, in metres. In the 2D domain a location is in units of the image side.
"""

import math
import reprlib
import sys
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from igllm_pipelines.scene.rotations import normalize_quat

Array = NDArray[np.float64]
_LARGEST = sys.float_info.max  # JSON knows larger integers
_shown = reprlib.Repr()
_shown.maxother = 80
Vector3 = tuple[float, float, float]
Quaternion = tuple[float, float, float, float]
Matrix4 = tuple[tuple[float, float, float, float], ...]
BACKDROPS = ("sweep", "floor", "white")


def finite_tuple(values: ArrayLike, length: int, name: str) -> tuple[float, ...]:
    """Checks that `values` are `length` finite numbers and returns them as floats.

    Raises:
        ValueError: otherwise, naming the field.
    """
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise _unlike(name, "must hold numbers", values) from None
    if array.shape != (length,):
        raise _unlike(name, f"must hold {length} numbers", values)
    if not np.all(np.isfinite(array)):
        raise _unlike(name, "must be finite", values)
    return tuple(float(v) for v in array)


def _unlike(name: str, wanted: str, values: object) -> ValueError:
    # reprlib: a file may hold lists of any length and depth, and numbers as long
    return ValueError(f"{name} {wanted}, it is {_shown.repr(values)}")


def _positive(value: float, name: str) -> None:
    if not 0 < value <= _LARGEST:
        shown = _shown.repr(value)
        raise ValueError(f"{name} must be positive and finite, it is {shown}")


@dataclass(frozen=True)
class SceneObject:
    """One object; an attribute that is not known is None.

    Attributes:
        location: centre of the object in world metres (2D: in image sides).
        rotation: unit quaternion (w, x, y, z) that turns the object frame into the
            world frame.
        size, color, material, shape: words of the domain's vocabulary. The shape of an
            asset is its id, ``chair_0007``.
        texture: ``<family>_<nnnn>``: which texture family, and the number that its
            colours and grain are drawn from.
        extents: size in metres of the bounding box along the object's own axes; known
            of assets, whose `size` is None.
        pixel_coords: projected centre (u, v) in pixels and depth in metres.
        visible_pixels: number of pixels of the image in which the object is seen.
    """

    location: Vector3 | None = None
    rotation: Quaternion | None = None
    size: str | None = None
    color: str | None = None
    material: str | None = None
    shape: str | None = None
    texture: str | None = None
    extents: Vector3 | None = None
    pixel_coords: Vector3 | None = None
    visible_pixels: int | None = None

    def __post_init__(self) -> None:
        for name in ("location", "extents", "pixel_coords"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, finite_tuple(value, 3, name))
        if self.extents is not None and min(self.extents) <= 0:
            raise ValueError(f"extents must be positive, they are {self.extents}")
        if self.rotation is not None:
            quat = normalize_quat(finite_tuple(self.rotation, 4, "rotation"))
            object.__setattr__(self, "rotation", tuple(float(v) for v in quat))


@dataclass(frozen=True)
class Camera:
    """A pinhole camera with square pixels; it looks along its own -z axis, y is up.

    Attributes:
        world_from_camera: 4x4 rigid transform, Blender's ``matrix_world``.
        lens_mm: focal length.
        sensor_width_mm: width of the sensor; it belongs to the longer image side
            (Blender's sensor fit AUTO).
        width_px, height_px: image size.
    """

    world_from_camera: Matrix4
    lens_mm: float
    sensor_width_mm: float
    width_px: int
    height_px: int

    def __post_init__(self) -> None:
        m = np.asarray(self.world_from_camera, dtype=np.float64)
        if m.shape != (4, 4) or not np.all(np.isfinite(m)):
            raise ValueError("world_from_camera must be a finite 4x4 matrix")
        with np.errstate(over="ignore", invalid="ignore"):
            squared = m[:3, :3] @ m[:3, :3].T
        if not np.allclose(squared, np.eye(3), atol=1e-5):
            raise ValueError("world_from_camera must be a rotation and a translation")
        object.__setattr__(
            self,
            "world_from_camera",
            tuple(tuple(float(v) for v in row) for row in m),
        )
        for name in ("lens_mm", "sensor_width_mm", "width_px", "height_px"):
            _positive(getattr(self, name), name)

    @classmethod
    def look_at(
        cls,
        location: ArrayLike,
        target: ArrayLike,
        *,
        lens_mm: float,
        sensor_width_mm: float,
        width_px: int,
        height_px: int,
    ) -> "Camera":
        """A camera at `location` that sees `target` in the image centre, z up.

        Equals Blender's TRACK_TO constraint with -Z forward and Y up.
        """
        matrix = np.eye(4)
        matrix[:3, :3] = look_at_rotation(location, target)
        matrix[:3, 3] = np.asarray(location, dtype=np.float64)
        return cls(
            world_from_camera=tuple(tuple(row) for row in matrix.tolist()),
            lens_mm=lens_mm,
            sensor_width_mm=sensor_width_mm,
            width_px=width_px,
            height_px=height_px,
        )

    @property
    def focal_px(self) -> float:
        """Focal length in pixels."""
        longer = max(self.width_px, self.height_px)
        return self.lens_mm / self.sensor_width_mm * longer

    def project(self, points: ArrayLike) -> Array:
        """World points ``(..., 3)`` to ``(..., 3)``: u, v in pixels, depth in metres.

        >>> camera = Camera.look_at((0, -2, 0), (0, 0, 0), lens_mm=32,
        ...     sensor_width_mm=32, width_px=100, height_px=100)
        >>> camera.project((0.0, 0.0, 1.0)).round(6)
        array([50.,  0.,  2.])
        """
        m = np.asarray(self.world_from_camera)
        p = (np.asarray(points, dtype=np.float64) - m[:3, 3]) @ m[:3, :3]
        depth = -p[..., 2]
        u = self.width_px / 2 + self.focal_px * p[..., 0] / depth
        v = self.height_px / 2 - self.focal_px * p[..., 1] / depth
        return np.stack([u, v, depth], axis=-1)

    def unproject(self, pixels: ArrayLike) -> Array:
        """The inverse of `project`: u, v, depth ``(..., 3)`` to world points."""
        m = np.asarray(self.world_from_camera)
        u, v, depth = np.moveaxis(np.asarray(pixels, dtype=np.float64), -1, 0)
        x = (u - self.width_px / 2) * depth / self.focal_px
        y = (self.height_px / 2 - v) * depth / self.focal_px
        return np.stack([x, y, -depth], axis=-1) @ m[:3, :3].T + m[:3, 3]


def look_at_rotation(location: ArrayLike, target: ArrayLike) -> Array:
    """Matrix ``(3, 3)`` of a camera or lamp at `location` that points at `target`.

    Raises:
        ValueError: the view axis is vertical or both points are equal.
    """
    backward = np.asarray(location, dtype=np.float64) - np.asarray(target)
    right = np.cross((0.0, 0.0, 1.0), backward)
    norm = np.linalg.norm(right)
    if norm < 1e-9:
        raise ValueError("look_at needs a view axis that is not vertical")
    right = right / norm
    backward = backward / np.linalg.norm(backward)
    return np.stack([right, np.cross(backward, right), backward], axis=-1)


@dataclass(frozen=True)
class Light:
    """A lamp as it was rendered, every jitter included.

    Attributes:
        name: as in the scene, ``Lamp_Key``.
        kind: ``AREA`` (a square that points at the origin) or ``SUN``.
        location: world metres; a sun has none that matters.
        rotation: unit quaternion (w, x, y, z); the lamp shines along its -z axis.
        energy: watts (AREA) or watts per square metre (SUN).
        size: side in metres (AREA) or angular diameter in radians (SUN).
        color: linear RGB.
    """

    name: str
    kind: str
    location: Vector3
    rotation: Quaternion
    energy: float
    size: float
    color: Vector3

    def __post_init__(self) -> None:
        if self.kind not in ("AREA", "SUN"):
            raise ValueError(f"light kind must be AREA or SUN, it is {self.kind!r}")
        for name, length in (("location", 3), ("rotation", 4), ("color", 3)):
            value = finite_tuple(getattr(self, name), length, name)
            object.__setattr__(self, name, value)
        _positive(self.size, "light size")
        named = isinstance(self.name, str)
        if not named or not -_LARGEST <= self.energy <= _LARGEST:
            name = _shown.repr(self.name)
            raise ValueError(f"light {name}: a name and a finite energy are wanted")


@dataclass(frozen=True)
class Scene:
    """Everything that one image shows.

    Attributes:
        objects: in any order; programs list them from left to right.
        image_filename: name of the image inside its shard, empty for a prediction.
        camera, lights: None and empty where they are not known.
        backdrop: what stands behind the objects, of `BACKDROPS`; empty where it is not
            known. ``sweep`` is CLEVR's grey sheet, curved up at the back; ``floor`` an
            endless grey plane under a bright sky; ``white`` is nothing but white.
        seed: entropy that the scene was drawn from, see `igllm_pipelines.domains`.
        generator: name and version of the code that drew it, ``clevr-1``.
        engine: what rendered it, ``bpy 5.0.1``.
    """

    objects: tuple[SceneObject, ...]
    image_filename: str = ""
    camera: Camera | None = None
    lights: tuple[Light, ...] = ()
    backdrop: str = ""
    seed: tuple[int, ...] = ()
    generator: str = ""
    engine: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "objects", tuple(self.objects))
        object.__setattr__(self, "lights", tuple(self.lights))
        object.__setattr__(self, "seed", tuple(int(s) for s in self.seed))
        if self.backdrop and self.backdrop not in BACKDROPS:
            raise ValueError(f"backdrop must be of {BACKDROPS}, not {self.backdrop!r}")

    def left_to_right(self) -> "Scene":
        """The scene with its objects sorted by ``pixel_coords[0]``.

        Objects without pixel coordinates keep their order behind the others.
        """
        ordered = sorted(
            self.objects,
            key=lambda o: o.pixel_coords[0] if o.pixel_coords else math.inf,
        )
        return replace(self, objects=tuple(ordered))

    def locations(self) -> Array:
        """Locations ``(num_objects, 3)``; NaN where an object has none."""
        rows = [o.location or (math.nan,) * 3 for o in self.objects]
        return np.asarray(rows, dtype=np.float64).reshape(-1, 3)
