"""`drawzoo evaluate --csv`: what was measured on each image."""

import csv
import re
import statistics
from pathlib import Path

import pytest
import torch

import drawzoo
from drawzoo.engine.saving import write_model
from drawzoo.errors import DataError, WeightsError
from drawzoo.evaluation.paired import VALUES
from drawzoo.evaluation.protocol import find_protocol, protocols
from drawzoo.evaluation.rows import HEAD, Rows

SAMPLE = ("--dataset", "mnist-sample")
PAGE = Path(__file__).parents[1] / "docs" / "json.md"


@pytest.fixture
def table(invoke, tmp_path):
    """Evaluates with `--csv`; gives the rows."""

    def call(*args):
        path = tmp_path / "images.csv"
        code, out, err = invoke("evaluate", *args, "--csv", path)
        assert code == 0, err
        assert [one.name for one in tmp_path.glob("*.part")] == []
        with path.open(newline="") as file:
            return list(csv.DictReader(file)), out

    return call


@pytest.mark.parametrize("name", [name for name, one in protocols().items() if one.values])
def test_means_are_the_figures(table, name):
    protocol = find_protocol(name)
    options = ("-k", 3) if name == "iwae" else ()
    args = ("model2-mnist", *SAMPLE, "--images", 20, "--protocol", name, *options)
    rows, out = table(*args, "--json")
    figure = drawzoo.evaluate(
        drawzoo.load("model2-mnist"),
        name,
        drawzoo.load_dataset("mnist-sample", "test", None).subset(20),
        dataset="mnist-sample",
        name="model2-mnist",
        **({"k": 3} if options else {}),
    )
    said = {**HEAD, **protocol.values}
    said.pop("bits_per_dimension", None)  # of images of 256 levels alone
    assert list(rows[0]) == list(said) and len(rows) == 20
    column = {key: [float(row[key]) for row in rows] for key in protocol.values if key in rows[0]}
    means = {"nats": "nats_mean", "bound": "bound_mean", "correct": "accuracy"}
    for key, values in column.items():
        if (mean := getattr(figure, means.get(key, key), None)) is not None:
            assert statistics.fmean(values) == pytest.approx(mean, abs=1e-3)
    assert f'"seed":{figure.seed}' in out


def test_rows_are_places_in_the_split(table):
    rows, _ = table("draw-t1-mnist", *SAMPLE, "--images", 10)
    images = drawzoo.load_dataset("mnist-sample", "test", None)
    places = [int(row["row"]) for row in rows]
    assert len(set(places)) == 10 and places != sorted(places)
    assert torch.equal(images.pixels[places], images.subset(10).pixels)
    assert [int(row["label"]) for row in rows] == images.labels[places].tolist()


def test_rows_of_no_subset_are_all_in_order():
    images = drawzoo.load_dataset("mnist-sample", "test", None)
    assert images.rows(256).tolist() == list(range(256))
    with pytest.raises(DataError, match="256 images, and 257"):
        images.rows(257)


def test_models_and_data_without_labels(table):
    rows, _ = table("draw-t1-mnist", "draw-t2-mnist", "--dataset", "binarized-mnist-sample")
    assert [row["model"] for row in rows] == ["draw-t1-mnist"] * 256 + ["draw-t2-mnist"] * 256
    assert {row["label"] for row in rows} == {""}
    assert float(rows[0]["nats"]) != float(rows[256]["nats"])


def test_against_another(table):
    args = ("draw-t1-mnist", "--against", "draw-t2-mnist", *SAMPLE, "--images", 9)
    rows, out = table(*args, "--json")
    assert list(rows[0]) == [*HEAD, *VALUES]
    better = [float(row["nats_better"]) for row in rows]
    assert better == pytest.approx(
        [float(row["nats_against"]) - float(row["nats"]) for row in rows], abs=2e-4
    )
    assert statistics.fmean(better) == pytest.approx(
        float(re.search(r'"nats_better":([-\d.]+)', out)[1]), abs=1e-3
    )
    alone, _ = table("draw-t1-mnist", *SAMPLE, "--images", 9)
    assert [row["nats"] for row in alone] == [row["nats"] for row in rows]


@pytest.mark.parametrize(
    "args, code, word",
    [
        (("--protocol", "quality", "--csv", "x.csv"), 3, "choose one of bound, iwae"),
        (("--csv", "x.txt"), 2, "say x.csv"),
        (("--csv", "missing/x.csv"), 8, "create it"),
    ],
)
def test_refusals(fails, monkeypatch, tmp_path, args, code, word):
    monkeypatch.chdir(tmp_path)
    found, line = fails("evaluate", "draw-t1-mnist", *SAMPLE, *args)
    assert found == code and word in line
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


def test_a_model_that_fails_takes_no_other_with_it(invoke, tiny, tmp_path):
    path, other = tmp_path / "x.csv", tmp_path / "other"
    other.mkdir()
    model = drawzoo.build(tiny())  # of images of another size
    write_model(other, model.config, model.state_dict())
    args = ("draw-t1-mnist", f"local-dir:{other}", *SAMPLE, "--images", 3, "--csv", path)
    code, _, err = invoke("evaluate", *args)
    assert code == 3, err
    assert [line.split(",")[0] for line in path.read_text().splitlines()] == [
        "model",
        *3 * ["draw-t1-mnist"],
    ]


def test_a_table_stays_as_it_was_if_nothing_is_measured(fails, tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("before")
    args = ("draw-t1-mnist", *SAMPLE, "--protocol", "accuracy", "--csv", path)
    assert fails("evaluate", *args)[0] == 3
    assert path.read_text() == "before"


def test_what_is_not_finite_is_refused():
    with pytest.raises(WeightsError, match="not finite"):
        Rows().add("m", "d", "test", torch.arange(1), None, {"nats": torch.tensor([torch.nan])})


def test_bits_per_dimension_follow_nats(tmp_path):
    rows = Rows()
    values = {"nats": torch.tensor([1.00004, 2.0]), "bits_per_dimension": torch.tensor([0.5, 1.0])}
    rows.add("a", "d", "test", torch.tensor([4, 2]), torch.tensor([7, 8]), values)
    rows.add("b", "d", "test", torch.tensor([1]), None, {"nats": torch.tensor([3.0])})
    rows.write(tmp_path / "x.csv")
    assert (tmp_path / "x.csv").read_text().splitlines() == [
        "model,dataset,split,row,label,nats,bits_per_dimension",
        "a,d,test,4,7,1.0,0.5",
        "a,d,test,2,8,2.0,1.0",
        "b,d,test,1,,3.0,",
    ]


def test_a_protocol_without_values_says_so():
    with pytest.raises(drawzoo.ConfigError, match="no value of a single one"):
        find_protocol("quality").check_each()


def test_the_page_has_the_columns_and_their_meaning():
    section = PAGE.read_text().partition("## `evaluate --csv`")[2].partition("\n## ")[0]
    written = re.findall(r"^\| ([^|]+) \| `(\w+)` \| ([^|]+) \|$", section, re.MULTILINE)
    known = {("all", key): meaning for key, meaning in HEAD.items()}
    known |= {("`--against`", key): meaning for key, meaning in VALUES.items()}
    for name, protocol in protocols().items():
        known |= {(f"`{name}`", key): meaning for key, meaning in protocol.values.items()}
    assert {(where, key): meaning for where, key, meaning in written} == known
