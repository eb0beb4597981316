"""The recurrence and its bound, in float64 against independent computations."""

import itertools
import math
import shutil

import numpy as np
import pytest
import torch
from selection import quick
from torch import nn
from torch.distributions import Bernoulli, Normal, kl_divergence

from drawzoo import Draw, Encoder, build
from drawzoo.engine.latent import Gaussian
from drawzoo.engine.sampling import CHUNK
from drawzoo.errors import ConfigError
from drawzoo.registry.loader import registry


def in_tree(kind):
    """The components of this repository that draw, with any neighbours.

    Those of maps take only maps, and classifiers have encoders that look for themselves.
    """
    entries = [entry for entry in registry().entries(kind) if entry.distribution == "drawzoo"]
    others = {"convdraw", "glimpses", "convolutions"}
    return [entry.name for entry in entries if entry.name not in others]


COMBINATIONS = [
    dict(zip(("encoder", "reader", "writer"), names, strict=True))
    for names in itertools.product(in_tree("encoder"), in_tree("reader"), in_tree("writer"))
]
DRAW = {"encoder": "lstm", "reader": "attention", "writer": "attention"}
every_combination = pytest.mark.parametrize(
    "parts",
    # By default those that differ from DRAW in one part.
    quick(
        COMBINATIONS, *(parts for parts in COMBINATIONS if len(parts.items() - DRAW.items()) < 2)
    ),
    ids=["-".join(parts.values()) for parts in COMBINATIONS],
)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def binary(model, num=3):
    return (torch.rand(num, *model.likelihood.image_shape, generator=seeded(1)) < 0.4).double()


def close(actual, expected, atol=1e-12):
    torch.testing.assert_close(actual, expected, rtol=1e-12, atol=atol)


class TestBound:
    def test_kl_is_the_closed_form(self):
        mean = torch.randn(5, 7, dtype=torch.float64)
        log_std = torch.linspace(-3, 2, 35, dtype=torch.float64).reshape(5, 7)
        prior = Normal(torch.zeros_like(mean), 1.0)
        expected = kl_divergence(Normal(mean, log_std.exp()), prior).sum(dim=1)
        close(Gaussian(mean, log_std).kl(), expected, 1e-11)

    def test_kl_is_never_negative_and_zero_at_the_prior(self):
        mean, log_std = 2 * torch.randn(2, 1000, 3, dtype=torch.float64)
        assert (Gaussian(mean, log_std).kl() > 0).all()
        zero = torch.zeros(1, 3, dtype=torch.float64)
        assert Gaussian(zero, zero).kl().item() == 0
        assert (Gaussian(mean, log_std).kl(Gaussian(mean, log_std)) == 0).all()

    @pytest.mark.parametrize("reader", ["attention", "whole"])
    def test_bound_is_nll_of_the_last_canvas_and_the_sum_of_kl(self, double, reader):
        model = double(reader=reader, steps=3)
        x = binary(model)
        noise = model.noise(3, 3, seeded())
        state, context = model.initial_state(3), model.encoder.prepare(x)
        kl = []
        for t in range(3):
            step = model.step(x, context, noise[t], state)
            mean, log_std = step.posterior
            q = Normal(mean, log_std.exp())
            kl.append(kl_divergence(q, Normal(torch.zeros_like(mean), 1.0)).sum(dim=1))
            state = step.state
        nll = -Bernoulli(logits=state.canvas).log_prob(x).sum(dim=(1, 2, 3))
        bound = model.bound(x, generator=seeded())
        close(bound.kl, torch.stack(kl).detach())
        close(bound.reconstruction, nll.detach())
        close(bound.nats, (nll + sum(kl)).detach())

    def test_bound_is_the_sum_of_its_parts(self, double):
        model = double()
        bound = model.bound(binary(model))
        assert bound.nats.shape == bound.reconstruction.shape == (3,)
        assert bound.kl.shape == (2, 3)
        close(bound.nats, bound.reconstruction + bound.kl.sum(dim=0))
        assert not any(part.requires_grad for part in bound)

    @pytest.mark.parametrize("encoder", ["lstm", "supervised"])
    def test_loss_is_the_mean_bound_and_goes_backward(self, double, encoder):
        model = double(encoder=encoder)
        x, labels = binary(model), torch.tensor([0, 1, 7])
        loss = model.loss(x, generator=seeded())
        close(loss.detach(), model.bound(x, generator=seeded()).nats.mean())
        loss.backward()
        assert model.latent.layer.weight.grad.any()
        with_labels = model.loss(x, labels, generator=seeded())
        assert (with_labels.item() > loss.item()) is (encoder == "supervised")

    @pytest.mark.parametrize("dtype", [torch.uint8, torch.bool, torch.float32])
    def test_images_may_have_any_type(self, double, dtype):
        model = double()
        x = binary(model)
        expected = model.bound(x, generator=seeded())
        close(model.bound(x.to(dtype), generator=seeded()).nats, expected.nats)

    @pytest.mark.parametrize(
        "shape", [(1, 6, 5), (2, 1, 5, 6), (2, 3, 6, 5), (2, 1, 6, 4), (2, 30)], ids=str
    )
    @pytest.mark.parametrize("method", ["bound", "reconstruct"])
    def test_other_shapes_are_refused(self, double, shape, method):
        with pytest.raises(ConfigError, match=r"\[B, 1, 6, 5\]") as caught:
            getattr(double(), method)(torch.zeros(shape))
        assert str(list(shape)) in str(caught.value)

    @every_combination
    def test_the_order_of_the_batch_does_not_matter(self, double, parts):
        model = double(**parts)
        x, noise, order = binary(model, 5), model.noise(5, 2), torch.tensor([3, 0, 4, 1, 2])
        with torch.no_grad():
            expected = model(x, noise)
            found = model(x[order], noise[:, order])
        close(found.reconstruction, expected.reconstruction[order])
        close(found.kl, expected.kl[:, order])

    def test_one_step_on_the_whole_image_is_a_variational_autoencoder(self, double):
        model = double(reader="whole", writer="whole", steps=1)
        w = dict(model.named_parameters())
        x, noise = binary(model), model.noise(3, 1, seeded())

        def lstm(name, inputs):
            h, c = (start.expand(3, -1) for start in w[f"{name}.initial"])
            features = inputs.shape[1]
            weight, bias = w[f"{name}.gates.weight"], w[f"{name}.gates.bias"]
            return torch.lstm_cell(
                inputs, (h, c), weight[:, :features], weight[:, features:], bias, 0 * bias
            )[0]

        c_0 = w["initial_canvas"]
        h_dec_0 = w["decoder.lstm.initial"][0].expand(3, -1)
        seen = torch.cat([x.flatten(1), (x - c_0.sigmoid()).flatten(1), h_dec_0], dim=1)
        code = lstm("encoder.lstm", seen) @ w["latent.layer.weight"].T + w["latent.layer.bias"]
        q = Normal(code[:, :2], code[:, 2:].exp())
        h_dec = lstm("decoder.lstm", q.mean + q.stddev * noise[0])
        written = h_dec @ w["writer.canvas.weight"].T + w["writer.canvas.bias"]
        p = Bernoulli(logits=c_0 + written.view_as(x))
        terms = model(x, noise)
        close(terms.reconstruction, -p.log_prob(x).sum(dim=(1, 2, 3)))
        close(terms.kl[0], kl_divergence(q, Normal(torch.zeros(3, 2).double(), 1.0)).sum(dim=1))

    @pytest.mark.parametrize("parts", [{}, {"reader": "whole", "writer": "whole"}], ids=str)
    def test_expected_bound_is_above_the_exact_likelihood(self, double, parts):
        """Of all four images of two pixels; both by quadrature over the two scalar codes."""
        model = double(**parts, image=(1, 1, 2), latent=1, steps=2, scale=0.8)
        nodes, weights = (torch.from_numpy(a) for a in np.polynomial.hermite_e.hermegauss(30))
        z = torch.cartesian_prod(nodes, nodes).T[:, :, None]
        weights = torch.outer(weights, weights).flatten() / (2 * math.pi)
        canvas = model.decode(z).canvases[-1]
        total = 0.0
        for pixels in itertools.product((0.0, 1.0), repeat=2):
            x = torch.tensor(pixels, dtype=torch.float64).view(1, 1, 1, 2)
            p = (weights * Bernoulli(logits=canvas).log_prob(x).sum(dim=(1, 2, 3)).exp()).sum()
            terms = model(x.expand(len(weights), -1, -1, -1), z)
            bound = (weights * (terms.reconstruction + terms.kl.sum(dim=0))).sum()
            assert bound > -p.log() + 1e-3
            total += p.item()
        assert total == pytest.approx(1, abs=1e-9)

    def test_bound_is_exact_when_the_codes_say_nothing(self, double):
        model = double(writer="whole")
        with torch.no_grad():
            for parameter in (*model.latent.layer.parameters(), model.writer.canvas.weight):
                parameter.zero_()
        x = binary(model)
        logits = model.initial_canvas + 2 * model.writer.canvas.bias.view(1, 6, 5)
        expected = -Bernoulli(logits=logits).log_prob(x).sum(dim=(1, 2, 3))
        close(model.bound(x).nats, expected.detach())


class TestRecurrence:
    def test_step_is_pure(self, double):
        model = double()
        x, noise = binary(model), model.noise(3, 1, seeded())[0]
        state = model.initial_state(3)
        inputs = (x, noise, state.canvas, *state.encoder, *state.decoder)
        before = [tensor.clone() for tensor in inputs]
        random = torch.get_rng_state()
        first, second = (model.step(x, None, noise, state) for _ in range(2))
        for tensor, kept in zip(inputs, before, strict=True):
            assert torch.equal(tensor, kept)
        assert torch.equal(first.state.canvas, second.state.canvas)
        assert torch.equal(first.posterior.mean, second.posterior.mean)
        assert torch.equal(random, torch.get_rng_state())

    def test_the_number_of_parameters_does_not_depend_on_the_steps(self, double):
        shapes = [{k: v.shape for k, v in double(steps=t).state_dict().items()} for t in (1, 2, 9)]
        assert shapes[0] == shapes[1] == shapes[2]

    @every_combination
    @pytest.mark.parametrize("image", [(1, 6, 5), (3, 5, 8)], ids=str)
    def test_gradients_reach_every_parameter_of_a_new_model(self, tiny, parts, image):
        if (parts["encoder"], parts["reader"]) == ("lstm-private", "none"):
            pytest.skip("an encoder that is told nothing learns nothing")
        model = build(tiny(**parts, image=image, steps=3)).double()
        terms = model(binary(model, 4), model.noise(4, 3), torch.tensor([0, 1, 2, 3]))
        loss = terms.reconstruction.sum() + terms.kl.sum()
        if terms.auxiliary is not None:
            loss = loss + terms.auxiliary.sum()
        loss.backward()
        for name, parameter in model.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name
            assert parameter.grad.any(), name

    @every_combination
    def test_every_component_takes_colour_and_any_shape(self, double, parts):
        model = double(**parts, image=(3, 5, 8))
        x = binary(model)
        assert model.bound(x).nats.isfinite().all()
        assert model.reconstruct(x).canvases.shape == (2, 3, 3, 5, 8)
        assert model.sample(2).shape == (2, 3, 5, 8)

    @pytest.mark.parametrize(
        ("method", "noise"), [("forward", (0, 2, 2)), ("log_weights", (0, 1, 2, 2))]
    )
    def test_noise_of_no_step_is_refused(self, double, method, noise):
        model = double()
        with pytest.raises(ConfigError, match="one step or more"):
            getattr(model, method)(binary(model, 2), torch.zeros(noise).double())

    def test_noise_differs_between_steps_and_fewer_steps_use_its_beginning(self, double):
        model = double()
        noise = model.noise(3, 4, seeded())
        assert noise.shape == (4, 3, 2)
        assert len({tuple(row.tolist()) for row in noise.flatten(0, 1)}) == 12
        assert torch.equal(model.noise(3, 2, seeded()), noise[:2])

    def test_drawing_starts_from_a_mean_image(self, double):
        model = double()
        mean = 0.01 + 0.98 * torch.rand(1, 6, 5, dtype=torch.float64)
        model.start_from(mean)
        close(model.initial_state(2).canvas.sigmoid(), mean.expand(2, 1, 6, 5))
        model.start_from(torch.eye(6, 5, dtype=torch.float64)[None])
        assert model.initial_canvas.isfinite().all()
        assert model.initial_canvas.requires_grad

    @pytest.mark.parametrize("backend", ["eager", pytest.param("inductor", marks=pytest.mark.slow)])
    def test_compiled_equals_eager(self, tiny, backend):
        """In one graph, forwards and backwards: nothing in the loop depends on data."""
        if backend == "inductor" and not (shutil.which("cc") or shutil.which("gcc")):
            pytest.skip("no C compiler")
        torch.compiler.reset()  # other tests' graphs count, too
        model = build(tiny())
        x, noise = binary(model).float(), model.noise(3, 2, seeded())
        results = []
        with torch._inductor.config.patch(compile_threads=1):
            for function in (model, torch.compile(model, fullgraph=True, backend=backend)):
                terms = function(x, noise)
                loss = terms.reconstruction.sum() + terms.kl.sum()
                grads = torch.autograd.grad(loss, list(model.parameters()))
                results.append((terms.reconstruction, terms.kl, *grads))
        torch.testing.assert_close(results[1], results[0])


class TestLabels:
    @pytest.fixture
    def model(self, tiny):
        """A model whose encoder adds, in training, the label times the ink of the image."""

        class Toy(Encoder):
            needs_labels = True
            out_features = 1

            def prepare(self, x):
                return x.flatten(1).sum(dim=1, keepdim=True)

            def initial_state(self, batch):
                return ()

            def forward(self, glimpse, h_dec, state, context):
                return context, state

            def auxiliary_loss(self, context, labels):
                return context[:, 0] * labels

        ours = build(tiny(reader="whole", writer="whole"))
        ours.latent.layer = nn.Linear(1, 4)
        parts = ours.latent, ours.decoder, ours.writer, ours.likelihood
        return Draw(ours.reader, Toy(), *parts, steps=2).double()

    def test_their_loss_is_given_beside_the_bound(self, model):
        x, labels = binary(model), torch.tensor([0, 1, 7])
        noise = model.noise(3, 2, seeded())
        terms = model(x, noise, labels)
        close(terms.auxiliary, x.sum(dim=(1, 2, 3)) * labels)
        bound = model.bound(x, generator=seeded())
        close((terms.reconstruction + terms.kl.sum(dim=0)).detach(), bound.nats)

    def test_bound_and_drawing_need_none(self, model):
        x = binary(model)
        assert model(x, model.noise(3, 2)).auxiliary is None
        assert model.bound(x).nats.isfinite().all()
        assert model.reconstruct(x).images.shape == (2, 3, 1, 6, 5)
        assert model.sample(2).shape == (2, 1, 6, 5)

    def test_other_encoders_ignore_them(self, double):
        model = double()
        terms = model(binary(model), model.noise(3, 2), torch.tensor([0, 1, 7]))
        assert terms.auxiliary is None


class TestDrawing:
    def test_image_i_depends_on_the_seed_alone(self, double):
        model = double()
        many = model.sample(CHUNK + 5, generator=seeded())
        close(model.sample(3, generator=seeded()), many[:3])
        close(model.sample(CHUNK + 1, generator=seeded()), many[: CHUNK + 1])
        assert len({tuple(image.flatten().tolist()) for image in many}) == CHUNK + 5
        assert not torch.allclose(model.sample(3, generator=seeded(1)), many[:3])

    def test_one_generator_gives_new_images_each_time(self, double):
        model, generator = double(), seeded()
        first, second = (model.sample(2, generator=generator) for _ in range(2))
        assert not torch.allclose(first, second)

    @pytest.mark.parametrize("num", [4, CHUNK + 5])
    def test_fewer_steps_are_an_earlier_stage_of_the_same_drawing(self, double, num):
        model = double(steps=4)
        drawing = model.draw(num, generator=seeded())
        assert drawing.canvases.shape == drawing.images.shape == (4, num, 1, 6, 5)
        for steps in (1, 3):
            images = model.sample(num, steps=steps, generator=seeded())
            close(images, drawing.images[steps - 1])
        close(model.sample(num, generator=seeded()), drawing.images[3])
        for window in drawing.writes:
            assert [len(field) for field in window[:5]] == [num] * 5

    @pytest.mark.parametrize("method", ["sample", "draw"])
    def test_more_steps_than_trained_draw_on_and_say_so(self, double, method):
        model = double(steps=2)
        with pytest.warns(UserWarning, match="trained with 2 steps.* 4") as caught:
            longer = getattr(model, method)(CHUNK + 5, steps=4, generator=seeded())
        assert len(caught) == 1
        if method == "draw":
            close(longer.images[:2], model.draw(CHUNK + 5, generator=seeded()).images)

    @pytest.mark.parametrize(
        "arguments", [{"num": 0}, {"num": -1}, {"num": 1, "steps": 0}, {"num": 1, "steps": -2}]
    )
    @pytest.mark.parametrize("method", ["sample", "draw"])
    def test_bad_arguments_are_refused(self, double, method, arguments):
        with pytest.raises(ConfigError, match="at least 1"):
            getattr(double(), method)(**arguments)

    def test_a_generator_leaves_the_global_randomness_alone(self, double):
        model = double()
        before = torch.get_rng_state()
        model.sample(2, generator=seeded())
        model.draw(CHUNK + 1, generator=seeded())
        model.bound(binary(model), generator=seeded())
        model.reconstruct(binary(model), generator=seeded())
        assert torch.equal(torch.get_rng_state(), before)

    def test_without_a_generator_the_global_seed_decides(self, double):
        model = double()
        images = [model.sample(2) for _ in range(2) if torch.manual_seed(3)]
        assert torch.equal(*images)
        assert not torch.allclose(images[0], model.sample(2))

    def test_images_are_probabilities(self, double):
        drawing = double(scale=5.0).draw(20, generator=seeded())
        assert ((drawing.images >= 0) & (drawing.images <= 1)).all()
        close(drawing.images, drawing.canvases.sigmoid())

    def test_reconstruction_shows_each_step_of_the_bound(self, double):
        model = double(steps=3)
        x = binary(model)
        drawing = model.reconstruct(x, generator=seeded())
        assert drawing.canvases.shape == (3, 3, 1, 6, 5)
        close(drawing.images, drawing.canvases.sigmoid())
        assert len(drawing.reads) == len(drawing.writes) == 3
        for window in (*drawing.reads, *drawing.writes):
            assert [field.shape for field in window[:5]] == [(3,)] * 5
            assert window.size == 2
        nll = -Bernoulli(logits=drawing.canvases[-1]).log_prob(x).sum(dim=(1, 2, 3))
        close(nll, model.bound(x, generator=seeded()).reconstruction)

    @pytest.mark.parametrize("reader", ["whole", "none"])
    def test_components_without_a_window_show_none(self, double, reader):
        model = double(reader=reader, writer="whole")
        drawing = model.reconstruct(binary(model))
        assert drawing.reads is None and drawing.writes is None
        assert model.draw(2).writes is None

    def test_sampling_reads_nothing(self, double):
        drawing = double().draw(2)
        assert drawing.reads is None and len(drawing.writes) == 2


@pytest.mark.parametrize("value", [0.5, 1e-6, 1 - 1e-6])
def test_there_is_no_bound_of_grey_under_bernoulli(double, value):
    model = double()
    x = torch.zeros(2, *model.config.image, dtype=torch.float64)
    model.bound(x)
    x[1, 0, 3, 2] = value
    with pytest.raises(ConfigError, match="neither 0 nor 1"):
        model.bound(x)
    with pytest.raises(ConfigError, match="neither 0 nor 1"):
        model.log_weights(x, torch.zeros(2, 3, 2, *model.latent.shape, dtype=torch.float64))
    model.encode(x), model.reconstruct(x)
