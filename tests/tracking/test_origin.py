import json

from igllm_pipelines.tracking.origin import data_digest, model_digest


def write_raw(folder, x=0.5, tar=b"picture"):
    for name, content in (
        ("labels/train.json", json.dumps({"x": x}).encode()),
        ("images/train-00000.tar", tar),
        ("images/.index/train-00000.json", b"{}"),
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def test_data_have_another_digest_where_a_label_or_the_pictures_differ(tmp_path):
    kinds = ({}, {"x": 0.6}, {"tar": b"larger picture"})
    folders = [write_raw(tmp_path / str(i), **kind) for i, kind in enumerate(kinds)]
    assert len({data_digest(folder) for folder in folders}) == 3
    assert data_digest(write_raw(tmp_path / "moved")) == data_digest(folders[0])


def test_a_download_is_digested_where_it_lies(tmp_path):
    from igllm_pipelines.shards.official import Pointer, write_pointer

    download = write_raw(tmp_path / "download")
    pointed = tmp_path / "raw"
    write_pointer(pointed, Pointer(str(download), "stated"))
    before = data_digest(pointed)
    write_raw(download, x=0.7)
    assert data_digest(pointed) != before


def test_model_digest_is_of_its_files(tmp_path):
    assert model_digest(tmp_path / "none") is None
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.safetensors").write_text("weights")
    assert model_digest(tmp_path / "a") == model_digest(tmp_path / "b")
    (tmp_path / "a" / "config.json").write_text("{}")
    assert model_digest(tmp_path / "a") != model_digest(tmp_path / "b")
