"""Convolutional DRAW: beside an implementation of its own, in pieces, and through the commands."""

import itertools

import pytest
import torch
from drawzoo_convdraw.blocks import ConvLSTM, Enlarge, Shrink
from drawzoo_convdraw.images import MapReader, MapWriter
from drawzoo_convdraw.latent import MapLatent
from drawzoo_convdraw.recurrence import ConvLSTMDecoder, ConvLSTMEncoder
from selection import quick
from torch.distributions import Normal, kl_divergence
from torch.nn.functional import pad

import drawzoo
from drawzoo.data.images import Images
from drawzoo.evaluation.measure import evaluate
from drawzoo.schema.base import override
from drawzoo.schema.training import RunConfig, TrainingConfig
from drawzoo.testing import (
    check_decoder,
    check_encoder,
    check_latent,
    check_reader,
    check_writer,
)
from drawzoo.training.loop import Trainer
from drawzoo.training.muon import matrices

CASES = {
    "grey": ("convdraw-mnist", (1, 7, 10), 4),
    "colour": ("convdraw-svhn-10k", (3, 10, 7), 4),
    "two layers": ("convdraw2-svhn-10k", (3, 5, 7), 2),
}
STEPS = 3


@pytest.fixture(autouse=True)
def one_thread(limit):
    """Maps as small as these are slower with more."""
    limit(1)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def small(name, image, stride):
    sizes = {"reader.maps": 3, "encoder.units": 4, "decoder.units": 5, "decoder.look": 2}
    changes = {"image": image, "steps": STEPS, "latent.maps": 2, **sizes}
    changes["latent.stride"] = stride
    return override(drawzoo.model_config(name), changes)


@pytest.fixture(params=CASES.values(), ids=list(CASES))
def config(request):
    return small(*request.param)


@pytest.fixture
def model(config):
    """In float64, no parameter zero."""
    model = drawzoo.build(config).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=seeded()))
    return model.eval()


def images(config, num=20):
    pixels = torch.randint(256, (num, *config.image), dtype=torch.uint8, generator=seeded(1))
    if config.likelihood.name == "bernoulli":
        pixels = 255 * (pixels > 127).to(torch.uint8)
    return Images(pixels, None, binarize=False)


def some(model, num=3):
    return images(model.config, num).pixels.double() / 255


class Plain:
    """Gregor et al., 2016, place by place; of the model only weights and likelihood."""

    def __init__(self, model):
        self.w, self.likelihood = dict(model.named_parameters()), model.likelihood
        self.layers = len(model.encoder.layers)
        self.codes, self.height, self.width = model.latent.shape
        self.stride = model.config.latent.config["stride"]

    def conv(self, x, name, stride=1):
        """One place after another; what is outside the image is 0."""
        weight, bias = self.w[f"{name}.weight"], self.w[f"{name}.bias"]
        size = weight.shape[2]
        x = pad(x, (1, 2 * size, 1, 2 * size))
        places = [
            torch.einsum("bchw,uchw->bu", x[:, :, i : i + size, j : j + size], weight) + bias
            for i in range(0, stride * self.height, stride)
            for j in range(0, stride * self.width, stride)
        ]
        return torch.stack(places, dim=2).unflatten(2, (self.height, self.width))

    def write(self, h):
        weight, bias = (self.w[f"writer.enlarge.conv.{name}"] for name in ("weight", "bias"))
        canvas = h.new_zeros(len(h), weight.shape[1], 50, 50)
        for i, j in itertools.product(range(self.height), range(self.width)):
            patch = torch.einsum("bu,uchw->bchw", h[:, :, i, j], weight)
            top, left, side = self.stride * i, self.stride * j, 2 * self.stride
            rows, columns = slice(top, top + side), slice(left, left + side)
            canvas[:, :, rows, columns] = canvas[:, :, rows, columns] + patch
        _, height, width = self.likelihood.canvas_shape
        edge = self.stride // 2
        return canvas[:, :, edge : edge + height, edge : edge + width] + bias.view(-1, 1, 1)

    def lstm(self, name, state, *inputs):
        h, c = state
        gates = self.conv(torch.cat([*inputs, h], dim=1), f"{name}.gates")
        units = gates.shape[1] // 4
        i, f, g, o = (gates[:, k * units : (k + 1) * units] for k in range(4))
        c = c / (1 + (-f).exp()) + g.tanh() / (1 + (-i).exp())
        return c.tanh() / (1 + (-o).exp()), c

    def gaussian(self, name, h):
        out = self.conv(h, name)
        maps = out.shape[1] // 2
        return Normal(out[:, :maps], (4 * (out[:, maps:] / 4).tanh()).exp())

    def start(self, part, batch):
        for layer in range(self.layers):
            h, c = self.w[f"{part}.layers.{layer}.initial"]
            ones = h.new_ones(batch, 1, self.height, self.width)
            yield h * ones, c * ones

    def bound(self, x, noise):
        canvas = self.w["initial_canvas"].expand(len(x), -1, -1, -1)
        enc, dec = (list(self.start(part, len(x))) for part in ("encoder", "decoder"))
        layers, maps, kl = range(self.layers), self.codes // self.layers, 0
        for noise_t in noise:
            error = x - self.likelihood.mean(canvas)
            below = self.conv(torch.cat([x, error], dim=1), "reader.shrink.conv", self.stride)
            z = []
            for k in layers:
                enc[k] = self.lstm(f"encoder.layers.{k}", enc[k], below, dec[k][0])
                below = enc[k][0]
                q = self.gaussian(f"latent.q.layers.{k}", enc[k][0])
                p = self.gaussian(f"latent.p.layers.{k}", dec[k][0])
                kl = kl + kl_divergence(q, p).sum(dim=(1, 2, 3))
                z.append(q.mean + q.stddev * noise_t[:, k * maps : (k + 1) * maps])
            above = []
            for k in reversed(layers):
                seen = [self.conv(canvas, "decoder.look.conv", self.stride)] if k == 0 else []
                dec[k] = self.lstm(f"decoder.layers.{k}", dec[k], z[k], *seen, *above)
                above = [dec[k][0]]
            canvas = canvas + self.write(torch.cat([h for h, _ in dec], dim=1))
        return kl + self.likelihood.nats(canvas, x)


def test_bound_and_gradients_are_those_of_a_plain_one(model):
    x, noise = some(model), model.noise(3, STEPS, seeded())
    reconstruction, kl, _ = model(x, noise)
    bound, plain = reconstruction + kl.sum(dim=0), Plain(model).bound(x, noise)
    torch.testing.assert_close(bound, plain, rtol=1e-11, atol=0)
    names, parameters = zip(*model.named_parameters(), strict=True)
    for name, found, expected in zip(
        names,
        torch.autograd.grad(bound.sum(), parameters),
        torch.autograd.grad(plain.sum(), parameters),
        strict=True,
    ):
        assert expected.any(), name
        torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-8, msg=name)


PARTS = [
    (check_reader, MapReader, {"maps": 3}),
    (check_encoder, ConvLSTMEncoder, {"units": 4, "layers": 2}),
    (check_latent, MapLatent, {"maps": 3, "stride": 2, "layers": 2}),
    (check_decoder, ConvLSTMDecoder, {"units": 4, "look": 2, "layers": 2}),
    (check_writer, MapWriter, {}),
]
SMALLER = [
    (check_encoder, ConvLSTMEncoder, {"units": 4}),
    (check_latent, MapLatent, {"maps": 3, "stride": 2}),
    (check_decoder, ConvLSTMDecoder, {"units": 4, "look": 2}),
]


@pytest.mark.parametrize(("check", "component", "settings"), quick([*PARTS, *SMALLER], *PARTS))
def test_conformance(check, component, settings):
    check(component, **settings)


def test_the_convolutional_lstm_uses_all_that_it_is_given():
    lstm = ConvLSTM(2, 3)
    h, c = (torch.randn(1, 3, 4, 5, generator=seeded(seed)) for seed in (1, 2))
    x = torch.randn(1, 2, 4, 5, generator=seeded(3))
    before = lstm(h, c, x)
    for other in ((h + 1, c, x), (h, c + 1, x), (h, c, x + 1)):
        assert all((a - b).abs().min() > 1e-6 for a, b in zip(lstm(*other), before, strict=True))


@pytest.mark.parametrize("image", [(2, 8, 12), (2, 9, 7), (2, 5, 10)])
@pytest.mark.parametrize("stride", [1, 2, 3, 4])
def test_every_pixel_is_seen_and_written_alike(image, stride):
    maps = (1, -(-image[1] // stride), -(-image[2] // stride))
    shrink, enlarge = Shrink(image, maps), Enlarge(maps, image)
    for part in (shrink, enlarge):
        for parameter in part.parameters():
            torch.nn.init.constant_(parameter, 1.0)
    x = torch.zeros(1, *image, requires_grad=True)
    small = shrink(x)
    assert small.shape == (1, *maps)
    (seen,) = torch.autograd.grad(small.sum(), x)
    assert seen.min() >= 1
    written = enlarge(torch.ones(1, *maps))
    assert written.shape == (1, *image)
    # Away from the borders, under the same number of filters.
    inner = written[:, :, stride:-stride, stride:-stride]
    assert inner.numel() == 0 or inner.min() == inner.max()


def test_the_first_prior_is_the_standard_normal(config):
    model = drawzoo.build(config)
    mean, log_std = model.latent.prior(torch.randn(2, *model.decoder.out_shape))
    assert not mean.any() and not log_std.any()


def test_standard_deviations_are_bounded(model):
    for sign in (-1, 1):
        h = torch.full((1, *model.encoder.out_shape), 1e6 * sign, dtype=torch.float64)
        log_std = model.latent.posterior(h).log_std
        assert log_std.abs().max() <= 4 and log_std.isfinite().all()


def test_codes_of_the_prior_follow_the_prior(model):
    """Drawing takes P, and never Q."""
    with torch.no_grad():
        for head in model.latent.p.layers:
            head.weight.zero_()
            head.bias.copy_(torch.tensor([3.0, -2, -1, 0.5]))
        z = model.prior(300, generator=seeded())
        deviation = (4 * (torch.tensor([-1, 0.5]) / 4).tanh()).exp().double()
    per_map = z.unflatten(2, (-1, 2)).transpose(0, 3).flatten(1)
    expected = torch.tensor([3.0, -2]).double()
    torch.testing.assert_close(per_map.mean(dim=1), expected, rtol=0, atol=0.05)
    torch.testing.assert_close(per_map.std(dim=1), deviation, rtol=0.03, atol=0)


@pytest.mark.slow
def test_one_graph():
    torch.compiler.reset()
    model = drawzoo.build(small(*CASES["two layers"])).double()
    x, noise = some(model), model.noise(3, STEPS, seeded())
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    for found, expected in zip(compiled(x, noise)[:2], model(x, noise)[:2], strict=True):
        torch.testing.assert_close(found, expected)


def test_drawing_step_by_step_ends_with_the_sample(model):
    drawing = model.draw(2, generator=seeded())
    torch.testing.assert_close(model.sample(2, generator=seeded()), drawing.images[-1])
    assert drawing.reads is None and drawing.writes is None
    x = some(model)
    course, codes = (f(x, generator=seeded()) for f in (model.reconstruct, model.encode))
    assert torch.equal(model.decode(codes.z).canvases, course.canvases)


def test_trained_saved_loaded_and_evaluated(config, tmp_path, fails):
    data = images(config)
    training = TrainingConfig(max_steps=4, batch_size=10, optimizer="muon")
    Trainer(RunConfig(config, training), data, tmp_path).run()
    name = f"local-dir:{tmp_path}"
    model = drawzoo.load(name)
    assert model.config.latent.config["layers"] == len(model.encoder.layers)
    where = {"dataset": "mine", "split": "test"}
    bound = evaluate(model, "bound", data, **where)
    tight = evaluate(model, "iwae", data, k=10, **where)
    assert tight.nats_mean < tight.bound_mean < 10 * bound.nats_mean
    assert model.sample(2, generator=seeded()).shape == (2, *config.image)
    model.draw(1).save(tmp_path / "image.png", scale=1)
    code, line = fails("analyze", "attention", name, str(tmp_path / "image.png"))
    assert code == 3 and "window" in line


def test_muon_takes_the_gates_one_by_one():
    model = drawzoo.build(small(*CASES["two layers"]))
    names = {id(p): name for name, p in model.named_parameters()}
    found = {names[id(p)]: blocks for p, blocks in matrices(model).items()}
    gates = {f"{part}.layers.{k}.gates.weight" for part in ("encoder", "decoder") for k in (0, 1)}
    assert gates <= found.keys() and {found.pop(name) for name in gates} == {4}
    assert not [name for name in found if name.startswith("writer")]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"encoder.name": "lstm"}, "glimpses that are vectors"),
        ({"latent.name": "gaussian"}, "codes that are maps"),
        ({"writer.name": "attention"}, "h_dec that are vectors"),
        ({"reader.name": "attention"}, "vectors"),
        ({"encoder.layers": 6}, "cannot share 5 maps among 6 layers"),
        ({"decoder.layers": 0}, "decoder"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(changes, told):
    with pytest.raises(drawzoo.DrawzooError, match=told) as caught:
        drawzoo.build(override(small(*CASES["grey"]), changes))
    assert str(caught.value).isprintable() and len(str(caught.value)) <= 300
