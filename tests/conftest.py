"""Fixtures that all tests share."""

import socket

import pytest
import torch


@pytest.fixture(autouse=True)
def isolated(monkeypatch, tmp_path):
    """Fixed randomness, an empty cache, no settings from outside, no network but the loopback."""
    torch.manual_seed(0)
    monkeypatch.setenv("DRAWZOO_CACHE", str(tmp_path / "cache"))
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
def tiny():
    """Makes the configuration of a small model; components by name, other fields by keyword."""
    from drawzoo import ComponentConfig, ModelConfig

    settings = {
        "lstm": {"units": 5},
        "conv": {"units": 5, "channels": [3], "features": 8},
        "attention": {"size": 2},
    }

    def make(*, reader="attention", encoder="lstm", writer="attention", **fields):
        reader, encoder, writer = (
            ComponentConfig(name=name, config=settings.get(name, {}))
            for name in (reader, encoder, writer)
        )
        fields = {"image": (1, 6, 5), "steps": 2, "latent": 2, "decoder": 4} | fields
        return ModelConfig(variant="tiny", reader=reader, encoder=encoder, writer=writer, **fields)

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
