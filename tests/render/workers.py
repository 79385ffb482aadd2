"""Workers for tests: they run inside Ray actors."""

import os
import signal
import time
from pathlib import Path

import numpy as np

from igllm_pipelines.render.worker import BlenderWorker


class Unruly:
    """Does as it is told."""

    def pid(self, value):
        return os.getpid()

    def surroundings(self, variable):
        return os.nice(0), os.environ.get(variable)

    def work(self, seconds):
        time.sleep(seconds)
        return os.getpid()

    def fail(self, value):
        raise ValueError(f"bad value {value}")

    def die_first_times(self, folder, times):
        """Is killed until it has been called more than `times` times."""
        path = Path(folder) / "calls"
        calls = int(path.read_text()) if path.exists() else 0
        path.write_text(str(calls + 1))
        if calls < times:
            os.kill(os.getpid(), signal.SIGKILL)
        return calls

    def sleep_first_time(self, folder):
        path = Path(folder) / "slept"
        if not path.exists():
            path.touch()
            time.sleep(60)
        return "awake"


class Probe(BlenderWorker):
    """Tells what Blender holds after a scene was placed."""

    def memory_mib(self):
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def visible(self, scene):
        return self._blender().visible_pixels(scene)

    def cores(self):
        self._blender()
        return os.sched_getaffinity(0)

    def read_back(self, scene):
        import bpy
        from bpy_extras.object_utils import world_to_camera_view

        renderer = self._blender()
        renderer.place(scene)
        bpy.context.view_layer.update()
        context, camera = bpy.context.scene, bpy.context.scene.camera
        width, height = context.render.resolution_x, context.render.resolution_y
        projected = []
        for obj in renderer._objects:
            u, v, depth = world_to_camera_view(
                context, camera, obj.matrix_world.translation
            )
            projected.append((u * width, height - v * height, depth))
        return {
            "camera": np.asarray(camera.matrix_world),
            "lens": (camera.data.lens, camera.data.sensor_width),
            "size": (width, height),
            "lamps": [
                (
                    lamp.data.type,
                    np.asarray(lamp.matrix_world),
                    lamp.data.energy,
                    tuple(lamp.data.color),
                )
                for lamp in renderer._lamps
            ],
            "objects": [np.asarray(obj.matrix_world) for obj in renderer._objects],
            "materials": [
                obj.material_slots[0].material.name for obj in renderer._objects
            ],
            "projected": np.asarray(projected),
            "counts": {
                name: len(getattr(bpy.data, name))
                for name in ("objects", "meshes", "materials", "lights", "images")
            },
            "settings": (
                context.cycles.samples,
                context.view_settings.view_transform,
                context.render.threads,
            ),
        }


class Stillborn:
    """A worker that cannot start."""

    def __init__(self):
        raise OSError("no room left")
