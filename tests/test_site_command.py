"""`drawzoo site` and `drawzoo demo`: what is written, and what is refused."""

import _thread
import json
import signal
import threading
import urllib.request
import webbrowser

import pytest
from drawzoo_site import writing
from drawzoo_site.serving import serve

from drawzoo.engine.saving import write_model
from drawzoo.registry.build import build, model_config
from drawzoo.schema.base import override
from drawzoo.store.sources import shipped

SMALL = {"steps": 2, "decoder.units": 6, "encoder.units": 7, "latent.size": 5}


@pytest.fixture
def mine(tmp_path):
    """A model of the user's own."""
    model = build(override(model_config("draw-mnist"), SMALL))
    folder = tmp_path / "mine"
    folder.mkdir()
    write_model(folder, model.config, model.state_dict())
    return folder


def test_the_page_is_whole_and_has_the_small_models(invoke, tmp_path):
    out = tmp_path / "page"
    code, _, err = invoke("site", "--out", out)
    assert code == 0, err
    page = json.loads((out / "models.json").read_text())
    names = [entry["name"] for entry in page["models"]]
    assert names == writing.default_models() and names
    for entry in page["models"]:
        folder = out / "models" / entry["name"]
        weights = (folder / "model.safetensors").read_bytes()
        assert weights == (shipped(entry["name"]) / "model.safetensors").read_bytes()
        assert entry["bytes"] == len(weights) <= writing.SMALL
        assert json.loads((folder / "config.json").read_text())["format"] == 2
    engine = sum(p.stat().st_size for p in out.rglob("*") if p.suffix in {".js", ".css", ".html"})
    assert engine < 100_000
    assert (out / "index.html").is_file()


def test_a_page_is_written_again_and_nothing_else_is_overwritten(invoke, tmp_path, mine):
    out = tmp_path / "page"
    assert invoke("site", "--out", out, f"local-dir:{mine}")[0] == 0
    assert invoke("site", "--out", out, f"local-dir:{mine}")[0] == 0
    other = tmp_path / "other"
    other.mkdir()
    (other / "index.html").write_text("mine")
    code, _, err = invoke("site", "--out", other, f"local-dir:{mine}")
    assert (code, err.count("\n")) == (3, 1)
    assert [path.name for path in other.iterdir()] == ["index.html"]
    assert (other / "index.html").read_text() == "mine"


def test_own_models_have_plain_names_and_do_not_tell_their_path(invoke, tmp_path, mine):
    out = tmp_path / "page"
    twin = tmp_path / "twin"
    mine.rename(twin)
    twin.joinpath("sub").mkdir()
    write = build(override(model_config("draw-mnist"), SMALL))
    write_model(twin / "sub", write.config, write.state_dict())
    names = [f"local-dir:{twin}", f"local-dir:{twin / 'sub'}"]
    assert invoke("site", "--out", out, *names)[0] == 0
    text = (out / "models.json").read_text()
    assert str(tmp_path) not in text
    assert [e["name"] for e in json.loads(text)["models"]] == ["draw-mnist", "draw-mnist-2"]


@pytest.mark.parametrize("name, expected", [("nosuch", 4), ("local-dir:nosuch", 6)])
def test_a_model_that_is_not_there_leaves_no_folder(invoke, tmp_path, name, expected):
    out = tmp_path / "page"
    code, _, err = invoke("site", "--out", out, name)
    assert (code, err.count("\n")) == (expected, 1)
    assert not out.exists()


@pytest.mark.parametrize("file", ["config.json", "model.safetensors"])
def test_half_a_model(invoke, tmp_path, mine, file):
    (mine / file).unlink()
    code, _, err = invoke("site", "--out", tmp_path / "page", f"local-dir:{mine}")
    assert (code, err.count("\n")) == (6, 1)
    assert file in err
    assert not (tmp_path / "page").exists()


def test_out_in_a_file(invoke, tmp_path, mine):
    (tmp_path / "file").write_text("")
    code, _, err = invoke("site", "--out", tmp_path / "file" / "page", f"local-dir:{mine}")
    assert (code, err.count("\n")) == (8, 1)


def test_the_server_is_for_this_machine_and_serves_modules_as_such(tmp_path, mine):
    out = tmp_path / "page"
    writing.write_site(out, [f"local-dir:{mine}"])
    with serve(out) as server:
        assert server.server_address[0] == "127.0.0.1"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            at = f"http://127.0.0.1:{server.server_port}"
            with urllib.request.urlopen(f"{at}/engine/draw.js", timeout=30) as answer:
                assert answer.headers.get_content_type() == "text/javascript"
        finally:
            server.shutdown()
            thread.join()


def test_a_port_that_is_taken(invoke, tmp_path, mine, monkeypatch):
    monkeypatch.setattr(webbrowser, "get", object)
    with serve(tmp_path) as server:
        code, _, err = invoke("demo", f"local-dir:{mine}", "--port", server.server_port)
    assert code == 8
    assert str(server.server_port) in err


def no_browser():
    raise webbrowser.Error


@pytest.mark.parametrize(
    "get, options",
    [
        (no_browser, []),
        (lambda: webbrowser.GenericBrowser("lynx"), []),
        (lambda: pytest.fail("nobody wants a browser"), ["--terminal"]),
    ],
)
def test_without_a_browser_it_draws_in_the_terminal(invoke, mine, monkeypatch, get, options):
    monkeypatch.setattr(webbrowser, "get", get)
    code, out, err = invoke("demo", f"local-dir:{mine}", *options)
    assert code == 0
    assert len(out.splitlines()) > 5
    assert ("no browser" in err) is not bool(options)


def test_the_page_is_served_until_it_is_interrupted(invoke, mine, monkeypatch):
    pages = []

    class Browser:
        def open(self, address):
            with urllib.request.urlopen(address.partition("#")[0], timeout=30) as answer:
                pages.append((answer.read().decode(), address))
            _thread.interrupt_main()

    monkeypatch.setattr(webbrowser, "get", Browser)
    # A shell lets what it starts in the background ignore Ctrl-C.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        code, _, err = invoke("demo", f"local-dir:{mine}", "--seed", "7")
    finally:
        signal.signal(signal.SIGINT, before)
    assert code == 130
    ((page, address),) = pages
    assert "<h1>Watch DRAW draw</h1>" in page
    assert address.endswith("#seed=7") and address in err
