"""Hypothesis strategies for scenes of the two domains."""

from hypothesis import strategies as st

from igllm_pipelines.domains import CLEVR_WORDS
from igllm_pipelines.scene import Scene, SceneObject
from igllm_pipelines.scene.rotations import quat_from_yaw

meters = st.floats(-3, 3)
words = {name: st.sampled_from(values) for name, values in CLEVR_WORDS.items()}


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
