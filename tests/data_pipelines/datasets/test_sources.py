import os

import pytest

from data_pipelines.datasets.catalog import DATASETS
from data_pipelines.datasets.sources import Part, find_files, load_tfds, role_of

COLA = DATASETS["glue/cola"]


@pytest.mark.parametrize(
    "folder", ["data/glue/CoLA", "data/CoLA", "data", "data/other/.."]
)
def test_the_folder_of_all_data_or_of_the_dataset(write, tmp_path, folder):
    path = write(f"{folder}/train.tsv", "a\t1\t\tb\n")
    files = find_files(COLA, "train", str(tmp_path / "data"))
    (found,) = files.paths
    assert os.path.samefile(found, path)
    assert files.names is not None


def test_all_files_of_a_layout_have_to_be_there(write, tmp_path):
    write("in_domain_dev.tsv", "a\t1\t\tb\n")
    with pytest.raises(
        FileNotFoundError,
        match=r"split 'dev' of glue/cola is not in '.*'. Expected 'dev\.tsv' or "
        r"'in_domain_dev\.tsv and out_of_domain_dev\.tsv' in '.*glue/CoLA' or .*"
        "copy the files there, or use another split, or omit data_dir to load",
    ):
        find_files(COLA, "dev", str(tmp_path))
    write("out_of_domain_dev.tsv.gz", "a\t1\t\tb\n")
    files = find_files(COLA, "dev", str(tmp_path))
    names = [os.path.basename(path) for path in files.paths]
    assert names == ["in_domain_dev.tsv", "out_of_domain_dev.tsv.gz"]


def test_neither_folder_nor_tfds():
    with pytest.raises(
        ValueError, match=r"TFDS does not have the split 'dev' of swag. .*'val\.csv'"
    ):
        find_files(DATASETS["swag"], "dev", None)


def test_unknown_splits():
    with pytest.raises(
        ValueError,
        match=r"the split 'train' of glue/ax. Expected one of its splits: \['test'\]",
    ):
        DATASETS["glue/ax"].split("train")
    assert [role_of(name) for name in ("train", "dev_x", "test")] == [
        "train",
        "dev",
        "test",
    ]
    with pytest.raises(ValueError, match=r"the split 'training'. Expected 'train'"):
        role_of("training")


def test_parts_never_change():
    # What is in a part today has to be in it tomorrow, on any machine.
    part = Part((0,), 4)
    assert [text for text in ("Normans", "Warsaw", "", "中文") if part.has(text)] == [
        "Normans",
        "",
    ]


@pytest.mark.parametrize("source", ["no_such_dataset:train", "glue/no:train"])
def test_what_tfds_cannot_give(source, tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    with pytest.raises(
        OSError,
        match=rf"TFDS cannot load '{source}'.*TFDS_DATA_DIR .* or data_dir to",
    ):
        load_tfds(source)
