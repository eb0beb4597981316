"""Names, settings and numbers that are refused, and ways to damage a file."""

import copy
import json
import struct

NAMES = [
    *("", " ", ".", "..", "/", "//", "~", "-mnist", "draw_mnist", "draw mnist", "DRAW-MNIST"),
    *(
        "draw-mnist\n",
        "draw-mnist ",
        "draw-mnist/..",
        "../draw-mnist",
        "draw-mnist:",
        ":draw-mnist",
    ),
    *(
        "drawzoo:",
        "nobody:draw-mnist",
        "a:b:c",
        "x" * 300,
        "x" * 5_000,
        "\x1b[31mred",
        "数字-mnist",
    ),
    *("user/repo", "https://huggingface.co/user/repo", "file:///etc/passwd", "draw-mnist@main"),
    *("local-dir:", "local-dir:nowhere", "local-dir:~nobody/x", "local-dir:/etc/passwd"),
    *("local-dir:/dev/zero", "local-dir:" + "x" * 5_000, "local-dir:.", "hf-hub:", "hf-hub:x"),
    *("hf-hub:../../x", "hf-hub:a/b/c", "hf-hub:/etc/passwd", "hf-hub:a/b@" + "x" * 300),
    *("hf-hub:a/b@../..", "hf-hub:a/..", "hf-hub:./b", "hf-hub:a b/c", "hf-hub:a/b@", "None", "0"),
]


COMMANDS = [
    *("sample {}", "info {}", "pull {}", "verify {}", "evaluate {} --dataset synthetic"),
    *("train {} --out run", "encode {}", "decode {} codes.safetensors", "reconstruct {} 0"),
    *("analyze attention {}", "bench sample {}", "card {} --cards ."),
    "export {} --to torch --out exported",
]


SETTINGS = [
    *("image", "format", "likelihood", "latent.size", "decoder.units", "encoder.units"),
    *("encoder.name", "reader", "reader.size", "reader.config", "reader.nothing"),
    *("optimizer", "learning_rate", "clip_norm", "restarts", "nothing", ".", "a.b.c", "__class__"),
]


COUNTS = ["steps", "epochs", "batch_size", "warmup_steps", "seed", "validation", "patience"]


VALUES = [
    *("-1", "1.5", "1e30", "99999999999999999999", "nan", "inf", "-inf", "true", '"x"', "x"),
    *("[1]", '{"a": 1}', "", " ", "[" * 3_000, '"' * 50, "\x1b[31m"),
]


def numbers(least, most):
    """What is no whole number from `least` to `most`."""
    values = [least - 1, most + 1, -(10**30), 10**30, 1.5, "nan", "x", "0x10", "1e3"]
    return [str(value) for value in values]


OPTIONS = [
    *(("sample {} --num", value) for value in numbers(1, 10**12)),
    *(("sample {} --steps", value) for value in numbers(1, 4_096)),
    *(("sample {} --seed", value) for value in numbers(0, 2**63 - 1)),
    *(("sample {} --device", x) for x in ("gpu", "meta", "hpu", "mps", "cuda:99", "cuda:-1")),
    *(("sample {} --out", x) for x in ("/", ".", "-", "a.jpg", "a.gif", "nowhere/a.png")),
    *(("sample {} --out", x) for x in ("/dev/null/x.png", "x" * 5_000 + ".png")),
    *(("sample {} --gif", x) for x in ("/", ".", "-", "a.png", "a.mp4", "nowhere/a.gif")),
    *(("evaluate {} --data {data} --images", value) for value in numbers(1, 300)),
    *(("evaluate {} --protocol iwae -k", value) for value in numbers(1, 10**6)),
    *(("evaluate {} --split", value) for value in ("Test", "x" * 999)),
    *(("evaluate {} --dataset", value) for value in ("x", "../mnist", "mnist:test")),
    *(("evaluate {} --protocol", value) for value in ("elbo", "BOUND")),
    *(("encode {} --num", value) for value in ("0", "-1", "1.5", "nan", "x")),
    *(("reconstruct {}", value) for value in ("-1", "256", "1e3", "10" * 30, "x")),
    *(("compare {} draw-t1-mnist --image", value) for value in ("-1", "256", "1e3", "x")),
    *(("compare {} draw-t1-mnist --num", value) for value in ("0", "21", "1.5", "x")),
    *(("analyze neighbours {} --num", value) for value in ("0", "101", "1.5", "x")),
    *(("analyze neighbours {} --data {data} --images", value) for value in numbers(1, 40)),
    *(("analyze steps {}", value) for value in ("-1", "256", "1e3", "10" * 30)),
    *(("analyze interpolate {} 0", value) for value in ("-1", "256", "x")),
    *(("analyze parameters {} --versus", value) for value in ("x", "nats")),
    *(("train draw-mnist --data {data} --out", value) for value in ("/dev/null", "/dev/null/x")),
    *(("train draw-mnist --out r --epochs", value) for value in numbers(1, 10**6)),
    *(("train draw-mnist --out r --seed", value) for value in numbers(0, 2**53 - 1)),
    *(("train draw-mnist --out r --seeds", value) for value in numbers(0, 2**53 - 1)),
    *(("train draw-mnist --out r --seeds", value) for value in (",", "1,1", "1,-2", "1;2", "0,")),
    *(("train draw-mnist --out r --checkpoint-steps", value) for value in ("0", "-1", "1.5", "x")),
    *(("train draw-mnist --out r --precision", value) for value in ("fp8", "16", "Float32")),
    *(("plot", value) for value in (".", "nowhere", "/dev/null", "x" * 5_000)),
    *(("plot {run} --out", value) for value in ("a.jpg", ".", "-", "nowhere/a.png")),
    *(("plot {run} --against", value) for value in ("steps", "Epoch")),
    *(("plugins --check", value) for value in ("nothing", "drawzoo.data", "x" * 5_000)),
    *(("new-plugin", x) for x in ("conv", "draw", "A", "a b", "../x", "1", "x" * 300, "数字")),
    *(("new-plugin good --kind", value) for value in ("Encoder", "plugin", "x" * 999)),
    *(("new-plugin good --to", value) for value in ("nowhere", "/dev/null")),
    *(("evaluate {} --dataset folder --data", x) for x in ("nowhere", "/dev/null", "folder:.")),
    *(("", value) for value in ("Sample", "nothing", "--nothing", "x" * 5_000)),
    *((command, "--nothing") for command in ("list", "sample", "train", "verify", "card", "plot")),
]


def damaged(good, chance, count):
    """Copies of bytes that are cut or lengthened, and bytes of chance."""
    for _ in range(count):
        yield chance.choice(
            [
                good[: chance.randrange(len(good) - 1)],
                good + bytes(range(1, 2 + chance.randrange(40))),
                chance.randbytes(chance.randrange(200)),
            ]
        )


def without(good, chance, count):
    """Copies of bytes that lack some."""
    for _ in range(count):
        at = chance.randrange(len(good))
        yield good[:at] + good[at + 1 + chance.randrange(8) :]


def changed(data, chance):
    """JSON in which one thing is of another type."""
    data, places = copy.deepcopy(data), []

    def walk(node):
        for key in list(node) if isinstance(node, dict) else range(len(node)):
            places.append((node, key))
            if isinstance(node[key], dict | list):
                walk(node[key])

    walk(data)
    node, key = chance.choice(places)
    wrong = [-1, 10**30, 1.5, [], {"a": {}}, [[[]]], True, "\x1b[0m", "x" * 10_000, "../x"]
    node[key] = chance.choice([value for value in wrong if type(value) is not type(node[key])])
    return json.dumps(data).encode()


def changed_header(raw, chance):
    """A safetensors file in whose header one thing about the tensors is of another type."""
    (size,) = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8 : 8 + size])
    header.pop("__metadata__", None)
    bad = changed(header, chance)
    return struct.pack("<Q", len(bad)) + bad + raw[8 + size :]
