"""What dvc.lock says of data, and when it says nothing."""

import yaml

from igllm_pipelines.report.revision import dvc_revision


def test_dvc_revision_is_that_of_the_data_which_dvc_saw(tmp_path):
    raw = tmp_path / "data" / "01_raw" / "2d"
    for name in ("labels/train.json", "images/a.tar", "images/.index/a.json"):
        (raw / name).parent.mkdir(parents=True, exist_ok=True)
        (raw / name).write_text(name)
    assert dvc_revision(raw) is None
    size = len("labels/train.json") + len("images/a.tar")
    out = {"path": "data/01_raw/2d", "md5": "0123abcdef.dir", "size": size}
    lock = {"schema": "2.0", "stages": {"data@2d": {"cmd": "", "outs": [out]}}}
    (tmp_path / "dvc.lock").write_text(yaml.safe_dump(lock))
    assert dvc_revision(raw) == "0123abcd"
    assert dvc_revision(raw.with_name("clevr")) is None
    (raw / "images" / "b.tar").write_text("rendered since")
    assert dvc_revision(raw) is None
