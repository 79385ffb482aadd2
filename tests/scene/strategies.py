"""Hypothesis strategies for scenes of CLEVR and of assets, and for rotations."""

import numpy as np
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from igllm_pipelines.domains import CLEVR_WORDS
from igllm_pipelines.scene import Scene, SceneObject
from igllm_pipelines.scene.rotations import quat_from_yaw
from igllm_pipelines.scene.scene import BACKDROPS

meters = st.floats(-3, 3)
extents = st.floats(0.1, 3)
# short quaternions have no direction
quats = st.tuples(*[st.floats(-1, 1)] * 4).filter(lambda q: sum(v * v for v in q) > 0.1)
words = {name: st.sampled_from(values) for name, values in CLEVR_WORDS.items()}


def turned_about_own_z(quat, angles_rad):
    """A rotation after turns about the object's own z axis first, by scipy."""
    rotation = Rotation.from_quat(quat, scalar_first=True)
    turns = Rotation.from_rotvec(np.multiply.outer(angles_rad, (0.0, 0.0, 1.0)))
    return (rotation * turns).as_quat(scalar_first=True)


@st.composite
def clevr_objects(draw):
    return SceneObject(
        location=draw(st.tuples(meters, meters, st.sampled_from([0.35, 0.7]))),
        rotation=tuple(quat_from_yaw(draw(st.floats(-3.1, 3.1)))),
        pixel_coords=(draw(st.floats(0, 128)), 64.0, 10.0),
        **{name: draw(word) for name, word in words.items()},
    )


clevr_scenes = st.lists(clevr_objects(), max_size=6).map(
    lambda objects: Scene(tuple(objects), image_filename="a.png").left_to_right()
)


@st.composite
def asset_objects(draw):
    return SceneObject(
        location=draw(st.tuples(meters, meters, meters)),
        rotation=draw(quats),
        color=draw(st.none() | words["color"]),
        shape=draw(st.sampled_from(["chair_0001", "sofa_0020", "table_a-b"])),
        texture=draw(st.none() | st.sampled_from(["wood_0042", "magic_9999"])),
        extents=draw(st.tuples(extents, extents, extents)),
        pixel_coords=(draw(st.floats(0, 128)), 64.0, 10.0),
    )


asset_scenes = st.builds(
    lambda objects, backdrop: Scene(tuple(objects), "a.png", backdrop=backdrop),
    st.lists(asset_objects(), max_size=5),
    st.sampled_from(["", *BACKDROPS]),
)
