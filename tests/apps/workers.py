"""Workers for tests: they run inside Ray actors."""

import io
import os
import signal

from PIL import Image


class Fragile:
    """Makes white pictures without Blender; the scene ``picture 1`` kills it."""

    def export(self, scene, kinds):
        if scene.image_filename == "picture 1":
            os.kill(os.getpid(), signal.SIGKILL)
        file = io.BytesIO()
        Image.new("RGB", (4, 4), "white").save(file, format="PNG")
        return {"picture": file.getvalue()}
