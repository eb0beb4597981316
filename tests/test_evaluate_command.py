"""`drawzoo evaluate`."""

import json
import re
import socket

import pytest
import torch

import drawzoo
from drawzoo.evaluation.measure import evaluate


class TestEvaluate:
    KEYS = ["model", "dataset", "split", "protocol", "images", "nats_mean", "nats_std"]
    KEYS += ["kl", "reconstruction", "seed"]

    def test_json(self, invoke, model, data):
        code, out, err = invoke("evaluate", model, "--data", data, "--json")
        assert code == 0 and err == ""
        figure = json.loads(out)
        assert figure.keys() >= set(self.KEYS)
        assert (figure["model"], figure["dataset"], figure["split"]) == (model, "mnist", "test")
        assert (figure["protocol"], figure["images"], figure["seed"]) == ("bound", 300, 0)
        assert figure["nats_mean"] == pytest.approx(
            figure["kl"] + figure["reconstruction"], abs=1e-3
        )
        assert figure["nats_std"] > 0

    def test_figure_depends_on_the_seed_alone(self, invoke, model, data):
        args = ("evaluate", model, "--data", data, "--json", "--seed")
        first = invoke(*args, 3)[1]
        torch.manual_seed(5)
        assert invoke(*args, 3)[1] == first
        assert json.loads(invoke(*args, 4)[1])["nats_mean"] != json.loads(first)["nats_mean"]

    def test_other_data(self, invoke, model):
        code, out, _ = invoke(
            "evaluate", model, "--dataset", "synthetic", "--split", "valid", "--json"
        )
        figure = json.loads(out)
        assert code == 0
        assert (figure["dataset"], figure["split"], figure["images"]) == ("synthetic", "valid", 200)

    def test_text_has_the_same_figures(self, invoke, model, data):
        figure = json.loads(invoke("evaluate", model, "--data", data, "--json")[1])
        code, out, _ = invoke("evaluate", model, "--data", data)
        assert code == 0 and out.count("\n") == 1
        assert f"{figure['nats_mean']:.2f}" in out and f"{figure['kl']:.2f}" in out

    def test_several_models(self, invoke, model, data):
        code, out, _ = invoke("evaluate", model, model, "--data", data, "--json")
        assert code == 0 and out.count("\n") == 2

    def test_against_another(self, invoke, model, data):
        code, out, _ = invoke("evaluate", model, "--against", model, "--data", data, "--json")
        found = json.loads(out)
        assert code == 0 and found["against"] == model
        assert found["nats_better"] == found["nats_stderr"] == 0
        code, out, _ = invoke("evaluate", model, "--against", model, "--data", data)
        assert ": 0.00 ± 0.00 nats better than" in out

    @pytest.mark.parametrize(
        "model, other, word",
        [
            ("draw-t1-mnist", "draw-mnist", "worse"),
            ("draw-mnist", "draw-t1-mnist", "better"),
        ],
    )
    def test_the_sign_of_a_difference_is_a_word(self, invoke, model, other, word):
        words = ("--dataset", "mnist-sample", "--images", 16)
        code, out, _ = invoke("evaluate", model, "--against", other, *words)
        assert code == 0
        assert re.match(rf"{model}: [\d.]+ ± [\d.]+ nats {word} than {other} ", out)

    @pytest.mark.parametrize(
        "args, code, word",
        [
            (["--dataset", "mnits"], 4, "did you mean mnist"),
            (["--seed", "-1"], 2, "--seed"),
            (["--seed", str(2**70)], 2, "--seed"),
            (["--split", "tset"], 5, "did you mean test"),
            (["--dataset", "binarized-mnist", "--data", "."], 5, "--data"),
        ],
    )
    def test_refusals(self, fails, monkeypatch, tmp_path, model, args, code, word):
        monkeypatch.chdir(tmp_path)

        def offline(*_, **__):
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

        monkeypatch.setattr(socket, "getaddrinfo", offline)
        found, line = fails("evaluate", model, *args)
        assert found == code and word in line

    def test_is_the_mean_of_the_bound(self, model):
        from drawzoo.data.images import load_dataset

        loaded, images = drawzoo.load(model), load_dataset("synthetic", "test", None)
        binary = 255 * (images.pixels > 127).to(torch.uint8)
        images = images._replace(pixels=binary, binarize=False)
        figure = evaluate(loaded, "bound", images, dataset="synthetic", split="test", seed=2)
        generator = torch.Generator().manual_seed(2)
        bound = loaded.bound(images.batch(torch.arange(200)), generator=generator)
        assert figure.nats_mean == pytest.approx(bound.nats.double().mean().item(), abs=1e-3)
        assert figure.nats_std == pytest.approx(bound.nats.double().std().item(), rel=1e-2)
        assert figure.kl == pytest.approx(bound.kl.sum(dim=0).mean().item(), abs=1e-3)
