"""`drawzoo sample`: one picture, drawn in groups."""

from drawzoo.cli import sample


def test_groups_change_nothing(invoke, tmp_path, monkeypatch):
    args = ("sample", "draw-t1-mnist", "--num", "620", "--no-show", "--steps", "2", "--out")
    code, _, err = invoke(*args, tmp_path / "groups.png")
    assert code == 0 and err.count("drawing on to 2") == 1 and "620 drawings" in err
    monkeypatch.setattr(sample, "GROUP_NUM", 1_000)
    assert invoke(*args, tmp_path / "whole.png")[0] == 0
    assert (tmp_path / "groups.png").read_bytes() == (tmp_path / "whole.png").read_bytes()


def test_one_is_one(invoke, tmp_path):
    err = invoke("sample", "draw-t1-mnist", "--num", "1", "--out", tmp_path / "one.png")[2]
    assert "1 drawing in" in err
