"""NaN and infinity, which finite but huge weights give, are never a result."""

import json

import pytest
import torch

import drawzoo
from drawzoo.cli.printing import print_json
from drawzoo.engine.saving import write_model
from drawzoo.errors import WeightsError
from drawzoo.evaluation.moments import moments
from drawzoo.schema.base import override


@pytest.fixture
def huge(tiny, tmp_path):
    """The name of a model for images of MNIST's size whose weights are finite, and too large."""
    folder = tmp_path / "huge"
    folder.mkdir()
    model = drawzoo.build(override(tiny(), {"image": [1, 28, 28]}))
    generator = torch.Generator().manual_seed(0)
    for tensor in model.state_dict().values():
        tensor.normal_(generator=generator).mul_(1e20)
    write_model(folder, model.config, model.state_dict())
    return f"local-dir:{folder}"


COMMANDS = {
    "bound": ["evaluate", "--dataset", "mnist-sample", "--json"],
    "iwae": ["evaluate", "--dataset", "mnist-sample", "--protocol", "iwae", "-k", "2", "--json"],
    "generated": ["evaluate", "--dataset", "mnist-sample", "--protocol", "generated", "--json"],
    "against": ["evaluate", "--dataset", "mnist-sample", "--against", "HUGE", "--json"],
    "sample": ["sample", "--num", "3", "--gif", "OUT.gif", "--out", "OUT.png"],
    "shards": ["sample", "--num", "3", "--out", "OUT"],
    "encode": ["encode", "--num", "3", "--out", "OUT.safetensors"],
    "reconstruct": ["reconstruct", "3", "--out", "OUT.png", "--json"],
    "compare": ["compare", "draw-t1-mnist", "--out", "OUT.png", "--gif", "OUT.gif"],
    "steps": ["analyze", "steps", "3", "--num", "2", "--out", "OUT.png", "--json"],
    "neighbours": ["analyze", "neighbours", "--dataset", "synthetic", "--out", "OUT.png"],
    "attention": ["analyze", "attention", "3", "--out", "OUT.png", "--json"],
}


@pytest.mark.parametrize("kind", COMMANDS)
def test_commands_refuse_what_is_not_finite(run, huge, tmp_path, kind):
    before = {*tmp_path.rglob("*")}
    words = [
        word.replace("OUT", str(tmp_path / "out")).replace("HUGE", huge) for word in COMMANDS[kind]
    ]
    at = 2 if words[0] == "analyze" else 1
    code, out, err = run(*words[:at], huge, *words[at:])
    assert code == 6 and out == [], err
    (line,) = (line for line in err.splitlines() if line.startswith("Error"))
    assert "not finite" in line and len(line) < 300
    assert {*tmp_path.rglob("*")} == before


def test_codes_are_refused_too(run, huge, tmp_path):
    from safetensors.torch import save_file

    save_file({"z": torch.ones(2, 3, 2)}, tmp_path / "z")
    code, _, err = run("decode", huge, tmp_path / "z", "--out", tmp_path / "out.png")
    assert code == 6 and "not finite" in err
    assert not (tmp_path / "out.png").exists()


def test_a_mean_is_of_finite_values():
    with pytest.raises(WeightsError, match="not finite"):
        moments(torch.tensor([1.0, torch.nan]))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_json_is_valid(value, capsys):
    with pytest.raises(WeightsError, match="not finite"):
        print_json({"rows": [value]})
    assert capsys.readouterr().out == ""
    print_json({"rows": [1.5]})
    assert json.loads(capsys.readouterr().out) == {"rows": [1.5]}
