"""`drawzoo verify`: what is there, and whether it is right."""

import json
import shutil

import pytest

from drawzoo.cards.check import Copy, check_copies
from drawzoo.errors import UnknownNameError, WeightsError
from drawzoo.schema.manifest import CARD, FILES, USED
from drawzoo.store.sources import cached, pull

NAMES = ("draw-mnist", "model3-mnist")


def damage(path):
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)


class TestVerify:
    def test_good_copies(self, run, models, loopback):
        pull(NAMES[0])
        loopback.requests.clear()
        code, lines, said = run("verify", "--json")
        rows = json.loads("\n".join(lines))
        assert (code, said) == (0, "")
        assert [(row["name"], row["source"], row["problems"]) for row in rows] == [
            (NAMES[0], "cache", []),
            (NAMES[0], "shipped", []),
            (NAMES[1], "shipped", []),
        ]
        assert rows[0]["folder"] == str(cached(NAMES[0]))
        code, lines, _ = run("verify", NAMES[1])
        assert code == 0 and len(lines) == 2 and "good" in lines[1]
        assert loopback.requests == []

    @pytest.mark.parametrize("file", FILES)
    @pytest.mark.parametrize("place", ["cache", "shipped"])
    @pytest.mark.parametrize("harm", [damage, lambda path: path.unlink()])
    def test_bad_copies(self, run, models, file, place, harm):
        folder = pull(NAMES[0]).folder if place == "cache" else models[NAMES[0]]
        harm(folder / file)
        if place == "cache" and file not in USED and not (folder / file).exists():
            # To load a model brings no card and no pictures.
            assert run("verify")[0] == 0
            return
        code, lines, said = run("verify")
        assert code == 6
        assert [line.split()[:3] for line in lines if "DAMAGED" in line] == [
            [NAMES[0], place, "DAMAGED"]
        ]
        # The middle of a long path is cut.
        assert str(folder)[:30] in said and file[:8] in said and said.count("\n") == 1
        assert ("drawzoo pull" in said) is (place == "cache")
        code, lines, _ = run("verify", "--json")
        assert code == 6
        (bad,) = (row for row in json.loads("\n".join(lines)) if row["problems"])
        assert (bad["source"], len(bad["problems"])) == (place, 1)
        assert run("verify", NAMES[1])[0] == 0

    def test_no_copy(self, run, models):
        shutil.rmtree(models[NAMES[0]])
        assert run("verify")[0] == 0
        code, _, said = run("verify", NAMES[0])
        assert code == 6 and f"drawzoo pull {NAMES[0]}" in said

    def test_other_cache(self, run, models, tmp_path):
        damage(pull(NAMES[0], cache=tmp_path / "other").folder / CARD)
        assert run("verify")[0] == 0
        assert run("verify", "--cache-dir", tmp_path / "other")[0] == 6

    def test_unknown_name(self, run, models):
        code, _, said = run("verify", "draw-mnits")
        assert code == 4 and "did you mean draw-mnist" in said


def test_from_python(models):
    """A row for each copy: a damaged file is a problem, a model without a copy an error."""
    assert [copy.problems for copy in check_copies()] == [[], []]
    damage(models[NAMES[0]] / CARD)
    (copy,) = check_copies([NAMES[0]], figures="none")
    folder = str(models[NAMES[0]])
    assert copy == Copy(NAMES[0], "shipped", folder, copy.problems, 0)
    assert [CARD in problem for problem in copy.problems] == [True]
    shutil.rmtree(models[NAMES[0]])
    with pytest.raises(WeightsError, match=f"drawzoo pull {NAMES[0]}"):
        check_copies([NAMES[0]])
    with pytest.raises(UnknownNameError):
        check_copies(["draw-mnits"])
