"""Plugins that are loaded each by itself, and the one registry that they fill."""

import ast
import json
import logging
import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from textwrap import dedent

import pytest
from click.testing import CliRunner

import drawzoo
from drawzoo import ComponentConfig, build, list_models
from drawzoo.cli import cli
from drawzoo.errors import PluginError, UnknownNameError
from drawzoo.registry.build import model_config
from drawzoo.registry.loader import Plugins, installed, registry
from drawzoo.schema.base import override, to_dict

CORE = Path(drawzoo.__file__).parent
PLUGINS = CORE.parent / "plugins"

GIVES_A_MODEL = """
    @hookimpl
    def register_models(register):
        register("toy-mnist", "no_such_module:TOY", summary="a toy")
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Installs a distribution that gives one plugin: a module of the same name with this code."""
    site = tmp_path / "site"
    modules = []

    def make(distribution, code=GIVES_A_MODEL):
        module = distribution.replace("-", "_")
        modules.append(module)
        info = site / f"{module}-1.5.dist-info"
        info.mkdir(parents=True)
        (site / f"{module}.py").write_text(f"from drawzoo import hookimpl\n{dedent(code)}")
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.5\n"
        )
        (info / "entry_points.txt").write_text(f"[drawzoo]\n{module}_entry = {module}\n")
        monkeypatch.syspath_prepend(str(site))

    installed.cache_clear()
    yield make
    installed.cache_clear()
    for module in modules:
        sys.modules.pop(module, None)


def loaded():
    return {plugin.name for plugin in installed().plugins}


class TestLoading:
    def test_an_installed_plugin_is_found(self, install):
        install("zoo-extra")
        entry = registry().find("model", "toy-mnist")
        assert (entry.distribution, entry.plugin) == ("zoo-extra", "zoo_extra_entry")
        assert entry.qualified == "zoo-extra:toy-mnist"
        assert "toy-mnist" in list_models()
        (plugin,) = (p for p in installed().plugins if p.distribution == "zoo-extra")
        assert plugin.gives == {"model": ["toy-mnist"]}
        assert (plugin.version, plugin.error) == ("1.5", None)

    def test_commands(self, install):
        install(
            "zoo-extra",
            """
            import click
            @hookimpl
            def register_commands(cli):
                @cli.command()
                def greet():
                    click.echo("hello")
            """,
        )
        assert "greet" in installed().commands

    def test_what_is_registered_must_be_there_only_when_it_is_used(self, install):
        install("zoo-extra")
        with pytest.raises(PluginError, match="zoo-extra.*no_such_module") as caught:
            registry().find("model", "toy-mnist").load()
        assert len(str(caught.value).splitlines()) == 1


BROKEN = {
    "import": "raise RuntimeError('first line\\nsecond line')",
    "exit": "raise SystemExit(3)",
    "syntax": "def broken(:",
    "missing": "import no_such_module_anywhere",
    "half-way": """
        @hookimpl
        def register_encoders(register):
            register("toy-encoder", "m:A")
        @hookimpl
        def register_models(register):
            register("toy-mnist", "m:A")
            raise ValueError("half-way")
        """,
    "commands": GIVES_A_MODEL
    + """
    @hookimpl
    def register_commands(cli):
        cli.add_command(None)
    """,
    "unknown-hook": GIVES_A_MODEL
    + """
    @hookimpl
    def register_painters(register):
        pass
    """,
    "argument": GIVES_A_MODEL.replace("register)", "registry)"),
}
REFUSED = {
    "name": GIVES_A_MODEL.replace("toy-mnist", "Toy MNIST"),
    "target": GIVES_A_MODEL.replace(":TOY", ".TOY"),
    "twice": GIVES_A_MODEL + '        register("toy-mnist", "m:A")\n',
}


class TestIsolation:
    @pytest.mark.parametrize("code", BROKEN.values(), ids=BROKEN)
    def test_a_plugin_that_fails_harms_no_other(self, install, code, caplog):
        before = {plugin.name for plugin in installed().plugins}
        models, commands = list_models(), set(installed().commands)
        installed.cache_clear()
        install("zoo-broken", code)
        install("zoo-other", GIVES_A_MODEL.replace("toy", "other"))
        with caplog.at_level(logging.WARNING, "drawzoo"):
            plugins = installed()
        (record,) = caplog.records
        assert len(record.getMessage().splitlines()) == 1
        assert "zoo_broken_entry of zoo-broken 1.5 is skipped: " in record.getMessage()
        assert record.exc_info is None
        assert loaded() == before | {"zoo_broken_entry", "zoo_other_entry"}
        (broken,) = (plugin for plugin in plugins.plugins if plugin.error)
        assert (broken.distribution, broken.gives) == ("zoo-broken", {})
        assert list_models() == sorted([*models, "other-mnist"])
        assert set(plugins.commands) == commands
        with pytest.raises(UnknownNameError):
            registry().find("encoder", "toy-encoder")

    @pytest.mark.parametrize("reason", REFUSED)
    def test_a_registration_that_cannot_be_used_costs_its_own_row(self, install, reason, caplog):
        models = list_models()
        installed.cache_clear()
        install("zoo-broken", REFUSED[reason] + '        register("other-mnist", "m:A")\n')
        with caplog.at_level(logging.WARNING, "drawzoo"):
            plugins = installed()
        (record,) = caplog.records
        assert len(record.getMessage().splitlines()) == 1
        assert "zoo_broken_entry of zoo-broken: left out: model " in record.getMessage()
        (broken,) = (p for p in plugins.plugins if p.distribution == "zoo-broken")
        first = ["toy-mnist"] if reason == "twice" else []
        assert (broken.gives, broken.error) == ({"model": [*first, "other-mnist"]}, None)
        assert list_models() == sorted([*models, *first, "other-mnist"])

    @pytest.mark.parametrize("code", (BROKEN | REFUSED).values(), ids=BROKEN | REFUSED)
    def test_strict_makes_it_an_error(self, install, code, monkeypatch):
        monkeypatch.setenv("DRAWZOO_STRICT_PLUGINS", "1")
        install("zoo-broken", code)
        with pytest.raises(PluginError, match="zoo-broken") as caught:
            installed()
        assert len(str(caught.value).splitlines()) == 1

    def test_in_tree_plugins_load_strictly(self):
        plugins = Plugins(strict=True)
        for point in entry_points(group="drawzoo"):
            if point.dist.name == "drawzoo":
                plugins.load(point)
        assert {"data", "draw"} <= {plugin.name for plugin in plugins.plugins}
        assert not plugins.registry.clashes()


class TestChoice:
    """By distribution or by entry point, separated by commas."""

    @pytest.mark.parametrize(
        ("load", "disable", "expected"),
        [
            ("", None, set()),
            (None, "", {"data", "draw", "one_entry", "two_entry"}),
            ("one", None, {"one_entry"}),
            ("one_entry, draw", None, {"one_entry", "draw"}),
            ("drawzoo", None, {"data", "draw"}),
            (None, "drawzoo,one", {"two_entry"}),
            (None, "two_entry,draw", {"data", "one_entry"}),
            ("one,two", "one", {"two_entry"}),
        ],
    )
    def test_load_and_disable(self, install, monkeypatch, load, disable, expected):
        install("one")
        install("two", GIVES_A_MODEL.replace("toy", "other"))
        for name, value in (("LOAD", load), ("DISABLE", disable)):
            if value is not None:
                monkeypatch.setenv(f"DRAWZOO_{name}_PLUGINS", value)
        # The plugins of this repository are more than these two.
        assert loaded() & {"data", "draw", "one_entry", "two_entry"} == expected

    @pytest.mark.parametrize("variable", ["DRAWZOO_LOAD_PLUGINS", "DRAWZOO_DISABLE_PLUGINS"])
    def test_a_name_that_is_not_installed_is_told(self, install, monkeypatch, caplog, variable):
        install("one")
        monkeypatch.setenv(variable, "onne")
        installed()
        (record,) = caplog.records
        assert variable in record.getMessage()
        assert "'onne'" in record.getMessage() and "did you mean" in record.getMessage()

    def test_without_plugins_an_unknown_name_says_where_to_look(self, install, monkeypatch):
        monkeypatch.setenv("DRAWZOO_LOAD_PLUGINS", "")
        assert list_models() == []
        with pytest.raises(UnknownNameError, match="drawzoo plugins"):
            registry().find("model", "draw-mnist")


class ToyPlugin:
    @drawzoo.hookimpl
    def register_models(self, register):
        register("toy-mnist", "no_such_module:TOY")


class TestClash:
    @pytest.fixture
    def clash(self, install):
        install("zoo-one")
        install("zoo-two")

    def test_it_names_both_distributions(self, clash):
        with pytest.raises(PluginError) as caught:
            registry().find("model", "toy-mnist")
        line = str(caught.value)
        assert "zoo-one:toy-mnist" in line and "zoo-two:toy-mnist" in line
        assert installed().registry.clashes() == [line]

    @pytest.mark.parametrize("distribution", ["zoo-one", "zoo-two"])
    def test_the_distribution_decides(self, clash, distribution):
        entry = registry().find("model", f"{distribution}:toy-mnist")
        assert entry.distribution == distribution

    def test_other_names_are_not_concerned(self, clash):
        assert registry().find("model", "draw-mnist").distribution == "drawzoo"
        assert list_models("toy-*") == ["toy-mnist"]

    def test_a_bare_name_of_drawzoo_means_its_own(self, install):
        install("zoo-one", GIVES_A_MODEL.replace("toy-mnist", "draw-mnist"))
        assert registry().find("model", "draw-mnist").distribution == "drawzoo"
        assert registry().find("model", "zoo-one:draw-mnist").distribution == "zoo-one"
        (line,) = installed().registry.clashes()
        assert "say zoo-one:draw-mnist" in line

    def test_disabling_one_ends_it(self, clash, monkeypatch):
        monkeypatch.setenv("DRAWZOO_DISABLE_PLUGINS", "zoo-one")
        assert registry().find("model", "toy-mnist").distribution == "zoo-two"

    def test_strict_makes_it_an_error(self, clash, monkeypatch):
        monkeypatch.setenv("DRAWZOO_STRICT_PLUGINS", "1")
        with pytest.raises(PluginError, match="zoo-one.*zoo-two"):
            installed()

    @pytest.mark.parametrize("name", ["toy-mnist", "zoo-one:toy-mnist"])
    def test_within_a_distribution_it_is_found_at_once(self, name):
        plugins = Plugins()
        for entry in ("a", "b"):
            plugins.add(ToyPlugin(), "zoo-one", entry)
        with pytest.raises(PluginError) as caught:
            plugins.registry.find("model", name)
        assert "say zoo-one:toy-mnist" not in str(caught.value)

    def test_commands_clash_too(self, install, monkeypatch):
        """With one another and with the built-in ones; the first keeps the name."""
        for name, command in (("zoo-one", "greet"), ("zoo-two", "greet"), ("zoo-three", "list")):
            install(
                name,
                f"""
                @hookimpl
                def register_commands(cli):
                    @cli.command("{command}")
                    def run():
                        pass
                """,
            )
        errors = {plugin.distribution: plugin.error for plugin in installed().plugins}
        assert errors["zoo-one"] is None
        assert "zoo-one" in errors["zoo-two"] and "drawzoo" in errors["zoo-three"]
        assert "greet" in installed().commands
        installed.cache_clear()
        monkeypatch.setenv("DRAWZOO_STRICT_PLUGINS", "1")
        with pytest.raises(PluginError, match="given by"):
            installed()


class TestStrangers:
    """What one plugin does costs no other anything."""

    def test_a_model_means_its_own_distributions_components(self, install):
        install(
            "zoo-other",
            """
            @hookimpl
            def register_encoders(register):
                register("lstm", "no_such_module:Other")
            """,
        )
        config = model_config("draw-mnist")
        assert config.encoder.plugin == "drawzoo"
        assert build(config).config.encoder.plugin == "drawzoo"

    def test_a_component_is_chosen_by_its_qualified_name(self):
        changed = override(model_config("draw-mnist"), {"encoder.name": "zoo-other:lstm"})
        assert (changed.encoder.plugin, changed.encoder.name) == ("zoo-other", "lstm")

    def test_a_bad_model_costs_its_own_row(self, install):
        install("zoo-extra")
        result = CliRunner().invoke(cli, ["list", "--json"])
        assert result.exit_code == 0
        assert "draw-mnist" in [row["name"] for row in json.loads(result.stdout)]
        assert "zoo-extra:toy-mnist is left out" in result.stderr

    def test_what_a_plugin_prints_goes_to_stderr(self, install, capsys):
        install("zoo-loud", "print('hello')")
        installed()
        out, err = capsys.readouterr()
        assert out == "" and "hello" in err

    def test_a_failures_lines_are_joined(self, install):
        install("zoo-bad", "raise ValueError('one\\ntwo')")
        errors = {plugin.distribution: plugin.error for plugin in installed().plugins}
        assert errors["zoo-bad"] == "ValueError: one two"


class TestNames:
    @pytest.mark.parametrize(
        ("kind", "name", "near"),
        [
            ("model", "draw-mnits", "draw-mnist"),
            ("encoder", "lsmt", "lstm"),
            ("model", "drawzoo:draw-mnits", "draw-mnist"),
            ("dataset", "mnst", "mnist"),
        ],
    )
    def test_an_unknown_name_gives_the_nearest(self, kind, name, near):
        with pytest.raises(UnknownNameError, match=f"{kind} '{name}'.*did you mean.*{near}"):
            registry().find(kind, name)

    def test_a_missing_plugin_is_named_with_who_asks_for_it(self, tiny):
        part = ComponentConfig(name="wavelet", plugin="drawzoo-wavelets")
        config = override(tiny(), {"encoder": to_dict(part)})
        with pytest.raises(
            PluginError, match="configuration asks for.*'drawzoo-wavelets'.*if you trust"
        ):
            build(config)

    def test_a_component_its_installed_plugin_does_not_give(self, tiny):
        part = ComponentConfig(name="wavelet", plugin="drawzoo")
        with pytest.raises(UnknownNameError, match="encoder 'drawzoo:wavelet'.*drawzoo plugins"):
            build(override(tiny(), {"encoder": to_dict(part)}))

    def test_a_component_of_the_wrong_kind(self, install, tiny):
        install(
            "zoo-extra",
            """
            @hookimpl
            def register_encoders(register):
                register("toy", dict)
            """,
        )
        with pytest.raises(PluginError, match="zoo-extra is no drawzoo.Encoder"):
            build(tiny(encoder="toy"))


def sources(folder):
    return sorted(folder.rglob("*.py"))


def imports(tree):
    """The module of each import, with the names taken from it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, []) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide what is imported"
            yield node.module, [alias.name for alias in node.names]


def strings(tree):
    """The string constants that are no docstrings, the parts of f-strings included."""
    # A string that stands alone documents what is above it.
    docstrings = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and node not in docstrings:
            yield str(node.value)


@pytest.mark.skipif(not PLUGINS.is_dir(), reason="needs a checkout")
class TestBoundaries:
    """What each side of the seam may know of the other."""

    @pytest.mark.parametrize("path", sources(PLUGINS), ids=lambda p: f"{p.parent.name}/{p.name}")
    def test_plugins_use_no_private_name_of_the_core(self, path):
        tree = ast.parse(path.read_text())
        public = set()
        for module, names in imports(tree):
            if module.split(".")[0] == "drawzoo":
                used = [*module.split("."), *names]
                assert not [name for name in used if name.startswith("_")]
                public |= set(names) or {module.split(".")[0]}
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and re.match(r"_(?!_)", node.attr):
                root = node.value
                while isinstance(root, ast.Attribute):
                    root = root.value
                assert not (isinstance(root, ast.Name) and root.id in public), node.attr

    @pytest.mark.parametrize("path", sources(CORE), ids=lambda p: f"{p.parent.name}/{p.name}")
    def test_the_core_knows_no_variant(self, path):
        tree = ast.parse(path.read_text())
        packages = {folder.name for folder in PLUGINS.iterdir()}
        assert not [name for name, _ in imports(tree) if name.split(".")[0] in packages]
        if path == CORE / "cli" / "sample.py":
            return  # It has a default model.
        models = "|".join(map(re.escape, list_models()))
        named = re.compile(rf"\b({models}|model[1-3]|{'|'.join(packages)})\b")
        assert not [text for text in strings(tree) if named.search(text)]

    def test_listing_models_needs_no_torch(self):
        code = """
            import sys, drawzoo
            from drawzoo.registry.build import model_config
            assert [model_config(name) for name in drawzoo.list_models()]
            assert drawzoo.registry.loader.installed().plugins
            print(*(m for m in sys.modules if m.split(".")[0] in ("torch", "torchvision", "numpy")))
            """
        run = subprocess.run(
            [sys.executable, "-c", dedent(code)], capture_output=True, text=True, check=False
        )
        assert (run.returncode, run.stdout, run.stderr) == (0, "\n", "")
