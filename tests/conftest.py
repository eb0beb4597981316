"""Fixtures that all tests share."""

import itertools
import os
import signal
import socket
import tempfile
import time
import warnings

import pytest
import torch
from loopback import Hub

# The Hub's client reads its settings when it is imported, so they are made before any test is.
for name in [name for name in os.environ if name.startswith(("HF_", "HUGGING"))]:
    del os.environ[name]
LOOPBACK = Hub()
_home = tempfile.TemporaryDirectory(prefix="drawzoo-tests-")
_caches = itertools.count()
os.environ.update(
    HF_ENDPOINT=LOOPBACK.endpoint,
    HF_HOME=_home.name,
    HF_HUB_DISABLE_XET="1",
    HF_HUB_DISABLE_TELEMETRY="1",
    HF_HUB_DISABLE_UPDATE_CHECK="1",
    NO_PROXY="127.0.0.1",
)


@pytest.fixture(autouse=True)
def isolated(monkeypatch):
    """Fixed randomness, empty caches, no settings from outside, no network but the loopback."""
    torch.default_generator.manual_seed(0)  # `torch.manual_seed` looks for devices first
    monkeypatch.setattr("drawzoo.registry.loader.SLOW", float("inf"))  # on a busy machine
    # Not in the test's own folder, which takes longer to make than most tests.
    cache = f"{_home.name}/{next(_caches)}"
    monkeypatch.setenv("DRAWZOO_CACHE", f"{cache}/drawzoo")
    monkeypatch.setenv("HF_HOME", f"{cache}/hf")
    for name in ("DATA", "DEBUG", "LOAD_PLUGINS", "DISABLE_PLUGINS", "STRICT_PLUGINS"):
        monkeypatch.delenv(f"DRAWZOO_{name}", raising=False)

    def guard(original, host):
        def call(*args, **kwargs):
            where = host(*args)
            if where not in (None, "", "localhost", "127.0.0.1", "::1", b"localhost"):
                # Not an `Exception`: nobody may take it for a network that is down.
                pytest.fail(f"a test tried to reach {where!r}")
            return original(*args, **kwargs)

        return call

    def peer(sock, address):
        return address[0] if sock.family in (socket.AF_INET, socket.AF_INET6) else None

    for method in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, method, guard(getattr(socket.socket, method), peer))
    lookup = guard(socket.getaddrinfo, lambda host, *_: host)
    monkeypatch.setattr(socket, "getaddrinfo", lookup)


@pytest.fixture
def loopback(monkeypatch):
    """An empty Hub that the client talks to, and which it does not wait for between attempts."""
    import huggingface_hub.constants
    import huggingface_hub.file_download
    from huggingface_hub.utils import _http

    from drawzoo.store import client

    LOOPBACK.reset()
    # A sound answer is never too slow, however busy the machine is.
    monkeypatch.setattr(client, "DEADLINE", 100)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DOWNLOAD_TIMEOUT", 100)
    for module in (_http, huggingface_hub.file_download):
        monkeypatch.setattr(module, "time", _Hurried())
    return LOOPBACK


class _Hurried:
    """The module `time` in which sleep is short."""

    def __getattr__(self, name):
        return getattr(time, name)

    @staticmethod
    def sleep(seconds):
        time.sleep(min(seconds, 0.01))


@pytest.fixture
def tiny():
    """Makes the configuration of a small model; components by name, other fields by keyword."""
    from drawzoo import ComponentConfig, ModelConfig

    settings = {
        "lstm": {"units": 5},
        "conv": {"units": 5, "channels": [3], "features": 8},
        "attention": {"size": 2},
    }

    def part(name, **own):
        return ComponentConfig(name=name, config=own)

    def make(
        *, reader="attention", encoder="lstm", writer="attention", latent=2, decoder=4, **fields
    ):
        reader, encoder, writer = (
            part(name, **settings.get(name, {})) for name in (reader, encoder, writer)
        )
        return ModelConfig(
            variant="tiny",
            reader=reader,
            encoder=encoder,
            latent=part("gaussian", size=latent),
            decoder=part("lstm", units=decoder),
            writer=writer,
            **{"image": (1, 6, 5), "steps": 2} | fields,
        )

    return make


@pytest.fixture
def double(tiny):
    """Builds a small float64 model, as `tiny`, in which no parameter is zero."""
    from drawzoo import build

    def make(*, scale=0.5, **options):
        model = build(tiny(**options)).double()
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.normal_(std=scale, generator=generator)
        return model

    return make


@pytest.fixture
def shelve(monkeypatch):
    """Makes a manifest and a folder of cards those of drawzoo; call it again when they change."""
    from drawzoo.store import published

    def put(manifest, cards):
        published.read.cache_clear()
        shelf = published.Shelf(manifest, cards)
        monkeypatch.setattr(published, "_find", lambda package: shelf)
        return shelf

    yield put
    published.read.cache_clear()


@pytest.fixture
def models(shelve, loopback, tiny, tmp_path):
    """Two small models, which ship and are on the Hub: name → folder."""
    import drawzoo
    from drawzoo.engine.saving import write_model
    from drawzoo.evaluation.bound import BoundFigure
    from drawzoo.schema import manifest
    from drawzoo.schema.base import override
    from drawzoo.schema.figures import facts
    from drawzoo.schema.manifest import CARD, CURVE, DRAWING, SAMPLES, TRAINING, Published, pins

    path, folders = tmp_path / "manifest.json", {}
    for name in ("draw-mnist", "model3-mnist"):
        folder = folders[name] = tmp_path / "shipped" / name
        folder.mkdir(parents=True)
        # A model's variant is the first part of its name.
        config = override(tiny(), {"variant": name.removesuffix("-mnist")})
        model = drawzoo.build(config)
        write_model(folder, model.config, model.state_dict())
        (folder / CARD).write_text(f"---\nlicense: mit\n---\n\n# {name}\n")
        for file in (TRAINING, SAMPLES, DRAWING, CURVE):
            (folder / file).write_bytes(f"\0 {file} of {name}".encode())
        figure = BoundFigure(
            model=name,
            dataset="mnist",
            split="test",
            images=1,
            seed=0,
            nats_mean=1.0,
            nats_std=0.0,
            nats_stderr=0.0,
            kl=0.5,
            reconstruction=0.5,
        )
        files = {file.name: file.read_bytes() for file in folder.iterdir()}
        published = Published(
            repository=f"user/{name}",
            commit=loopback.commit(f"user/{name}", files),
            parameters=1,
            files=pins(folder),
            figures=[facts(figure)],
        )
        manifest.write_manifest(path, name, published)
    shelve(path, tmp_path / "shipped")
    return folders


@pytest.fixture(params=[True, False], ids=["kernels", "tensors"])
def either(request, monkeypatch):
    """A test of both paths."""
    if not request.param:
        from drawzoo.ops import library

        monkeypatch.setattr(library, "LIBRARY", None)


@pytest.fixture
def limit():
    """Sets the number of threads for a test."""
    threads = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(threads)


# Of the command line

SMALL = ("latent.size=2", "decoder.units=8", "encoder.units=8", "steps=2", "batch_size=10")


@pytest.fixture
def invoke(capsys):
    """Runs the command line in this process; gives exit code, stdout and stderr."""
    from drawzoo.cli import main

    def call(*args):
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit, warnings.catch_warnings():
            # As outside of tests, where a warning is no error.
            warnings.simplefilter("always", UserWarning)
            main([str(arg) for arg in args])
        return exit.value.code, *capsys.readouterr()

    return call


@pytest.fixture
def run(invoke):
    """As `invoke`, with stdout in lines."""

    def call(*args):
        code, out, err = invoke(*args)
        return code, out.splitlines(), err

    return call


@pytest.fixture
def fails(invoke):
    """Runs a command that must fail; gives its exit code and its one line."""

    def call(*args):
        code, out, err = invoke(*args)
        assert out == ""
        assert err.startswith("Error: ") and err.endswith("\n") and err[:-1].isprintable()
        return code, err

    return call


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """The folder of a small MNIST in torchvision's layout."""
    root = tmp_path_factory.mktemp("data")
    (root / "MNIST" / "raw").mkdir(parents=True)
    for name, count in (("train", 40), ("t10k", 300)):
        pixels = torch.randint(256, (count, 28, 28), dtype=torch.uint8)
        for kind, x in (("images-idx3", pixels), ("labels-idx1", pixels[:, 0, 0] % 10)):
            head = bytes([0, 0, 8, x.dim()]) + b"".join(n.to_bytes(4, "big") for n in x.shape)
            path = root / "MNIST" / "raw" / f"{name}-{kind}-ubyte"
            path.write_bytes(head + x.numpy().tobytes())
    return root


@pytest.fixture(scope="module")
def trained(tmp_path_factory, data):
    """The folder of a finished run of a small `draw-mnist`."""
    from drawzoo.cli import main

    folder = tmp_path_factory.mktemp("runs") / "tiny"
    handlers = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}
    settings = itertools.chain(*(("--set", item) for item in SMALL))
    with pytest.raises(SystemExit) as exit:
        main(
            ["train", "draw-mnist", "--data", str(data), "--out", str(folder), *settings]
            + ["--epochs", "3", "--checkpoint-steps", "2"]
        )
    for number, handler in handlers.items():
        signal.signal(number, handler)
    assert exit.value.code == 0
    return folder


@pytest.fixture
def model(trained):
    return f"local-dir:{trained}"


@pytest.fixture
def forget_local():
    """What a test registers without a package is gone after it."""
    from drawzoo.registry.loader import installed
    from drawzoo.registry.registry import LOCAL

    yield
    for names in installed().registry._entries.values():
        for name, same in list(names.items()):
            same[:] = [entry for entry in same if entry.distribution != LOCAL]
            if not same:
                del names[name]
