"""The card's making, by `drawzoo card` and from Python: what it writes, and what it refuses."""

import json
import shutil

import pytest
from huggingface_hub import ModelCard

from drawzoo.cards.make import make_card, remake_card
from drawzoo.errors import OutputError, TrainingError, UnknownNameError, WeightsError
from drawzoo.schema.manifest import FILES, pin, read_manifest, verify
from drawzoo.schema.record import read_record
from drawzoo.training.run_options import write_options


class TestCard:
    @pytest.fixture(autouse=True)
    def few_are_enough(self, monkeypatch):
        monkeypatch.setattr("drawzoo.evaluation.quality.LEAST", 10)

    def test_makes_a_folder_to_publish(self, invoke, trained, data, tmp_path):
        made = []
        for name in ("first", "second"):
            cards = tmp_path / name
            cards.mkdir()
            pins = cards / "manifest.json"
            code, out, _ = invoke(
                "card", trained, "--cards", cards, "--manifest", pins, "--data", data
            )
            folder = cards / "draw-mnist"
            assert code == 0 and out == f"{folder}\n"
            made.append({path.name: path.read_bytes() for path in (*folder.iterdir(), pins)})
            left = {path.name for path in cards.iterdir()} - {".manifest.json.lock"}
            assert left == {"draw-mnist", "manifest.json"}
        assert made[0] == made[1]
        assert sorted(made[0]) == sorted([*FILES, "manifest.json"])
        verify(folder, read_manifest(pins)["draw-mnist"])
        for name in ("config.json", "model.safetensors"):
            assert made[0][name] == (trained / name).read_bytes()

        card = ModelCard.load(folder / "README.md")
        assert card.data.license == "mit" and card.data.datasets == ["mnist"]
        figures = json.loads(pins.read_text())["models"]["draw-mnist"]["figures"]
        kinds = [(figure["protocol"], figure["dataset"]) for figure in figures]
        protocols = [(name, "mnist") for name in ("bound", "iwae", "generated", "quality")]
        assert kinds == [*protocols, ("bound", "mnist-sample")]
        values = {result.metric_value for result in card.data.eval_results}
        for figure in figures:
            value = figure.get("nats_mean", figure.get("frechet"))
            assert value in values and f"{value:.2f}" in card.text
        assert pin(folder / "model.safetensors").sha256 in card.text
        assert "36 images" in card.text and "3 epochs" in card.text
        assert "4 other images" in card.text
        # A figure is the one that `evaluate` gives for the folder.
        again = json.loads(invoke("evaluate", f"local-dir:{folder}", "--data", data, "--json")[1])
        assert again | {"model": "draw-mnist"} == figures[0]

    @pytest.mark.parametrize(
        "precision, options",
        [("bf16", "--precision bf16"), ("tf32", "--device cuda --precision tf32")],
    )
    def test_the_precision_of_the_run_is_in_the_command(
        self, invoke, trained, data, tmp_path, precision, options
    ):
        run = shutil.copytree(trained, tmp_path / "run")
        write_options(run, None, 2, precision)
        where = ("--cards", tmp_path, "--manifest", tmp_path / "manifest.json", "--data", data)
        assert invoke("card", run, *where, "--protocol", "bound")[0] == 0
        folder = tmp_path / "draw-mnist"
        assert read_record(folder).precision == precision
        assert f" {options} --out runs/draw-mnist" in (folder / "README.md").read_text()

    @pytest.mark.slow
    def test_again_from_the_folder(self, invoke, trained, data, tmp_path, monkeypatch):
        """Without the run and without measuring: the same bytes, and hand-written notes kept."""
        pins = tmp_path / "manifest.json"
        options = ("--cards", tmp_path, "--manifest", pins)
        assert invoke("card", trained, *options, "--data", data)[0] == 0
        folder = tmp_path / "draw-mnist"

        def contents():
            return {path.name: path.read_bytes() for path in (*folder.iterdir(), pins)}

        def measured(*args, **options):
            raise AssertionError("measured")

        before = contents()
        monkeypatch.setattr("drawzoo.evaluation.measure.measure_for_card", measured)
        (folder / "samples.png").unlink()
        assert invoke("card", "draw-mnist", *options)[0] == 0
        assert contents() == before
        assert invoke("card", trained, *options, "--data", data)[0] == 0
        assert contents() == before
        card = folder / "README.md"
        card.write_text(card.read_text() + "\n<!-- notes -->\nMine.\n<!-- /notes -->\n")
        assert invoke("card", "draw-mnist", *options)[0] == 0
        assert card.read_text().endswith("<!-- notes -->\nMine.\n<!-- /notes -->\n")
        verify(folder, read_manifest(pins)["draw-mnist"])
        code, _, said = invoke("card", "draw-mnist", *options, "--measure")
        assert code != 0 and "AssertionError: measured" in said

    @pytest.mark.slow
    def test_half(self, invoke, trained, data, tmp_path):
        """Its figures are those of the file, in 16 bits, as it lies there."""
        pins = tmp_path / "manifest.json"
        options = ("--cards", tmp_path, "--manifest", pins, "--data", data)
        assert invoke("card", trained, "--half", *options)[0] == 0
        folder = tmp_path / "draw-mnist"
        whole = (trained / "model.safetensors").stat().st_size
        assert (folder / "model.safetensors").stat().st_size < 0.7 * whole
        figures = json.loads(pins.read_text())["models"]["draw-mnist"]["figures"]
        again = json.loads(invoke("evaluate", f"local-dir:{folder}", "--data", data, "--json")[1])
        assert again | {"model": "draw-mnist"} == figures[0]

    @pytest.mark.slow
    def test_from_python(self, trained, data, tmp_path, capsys):
        """Made, and made again, without a word on the terminal; `bars` hears of each figure."""
        pins, heard = tmp_path / "manifest.json", []

        def bars(what):
            heard.append(what)
            return iter

        folder = make_card(trained, tmp_path, manifest=pins, data=data, bars=bars)
        assert folder == tmp_path / "draw-mnist"
        kinds = ("bound", "iwae", "generated", "quality", "sample")
        assert heard == [f"draw-mnist {kind}" for kind in kinds]
        before = {path.name: path.read_bytes() for path in folder.iterdir()}
        assert sorted(before) == sorted(FILES)
        (folder / "samples.png").unlink()
        assert remake_card("draw-mnist", tmp_path, manifest=pins, bars=bars) == folder
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
        assert len(heard) == len(kinds) and capsys.readouterr() == ("", "")
        heard.clear()
        make_card(trained, tmp_path, measure=True, protocols=["bound"], data=data, bars=bars)
        assert heard == ["draw-mnist bound", "draw-mnist sample"]
        with pytest.raises(UnknownNameError, match="bund"):
            make_card(trained, tmp_path, protocols=["bund"], data=data)

    def test_refusals_from_python(self, trained, data, tmp_path):
        with pytest.raises(TrainingError, match="no run"):
            make_card(tmp_path, tmp_path)
        with pytest.raises(UnknownNameError):
            remake_card("no-such-model", tmp_path)
        with pytest.raises(WeightsError, match="drawzoo card RUN"):
            remake_card("draw-mnist", tmp_path)
        with pytest.raises(OutputError, match="missing"):
            make_card(trained, tmp_path / "missing", data=data)

    @pytest.mark.parametrize(
        "args, code, words",
        [
            (["draw-mnist"], 6, "drawzoo card RUN"),
            (["draw-mnist", "--half"], 2, "--half"),
            (["no-such-model"], 4, "no-such-model"),
        ],
    )
    def test_models_that_cannot_be(self, fails, tmp_path, args, code, words):
        found, line = fails("card", *args, "--cards", tmp_path)
        assert found == code and words in line

    def test_model_without_a_record(self, fails, trained, tmp_path):
        shutil.copytree(trained, tmp_path / "draw-mnist")
        code, line = fails("card", "draw-mnist", "--cards", tmp_path)
        assert code == 6 and "training.json" in line

    def test_folder_without_a_run(self, fails, tmp_path):
        code, line = fails("card", tmp_path, "--cards", tmp_path)
        assert code == 9 and "no run" in line
