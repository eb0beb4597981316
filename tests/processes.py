"""`drawzoo …` as several processes, with what torchrun would set: forked from one server."""

import multiprocessing
import os
import signal
import socket
import sys
import time
from pathlib import Path

# Windows knows no fork.
METHODS = multiprocessing.get_all_start_methods()
CONTEXT = multiprocessing.get_context("forkserver" if "forkserver" in METHODS else "spawn")
# Importing torch, and its compiler for the first optimiser, is most of the time that such a process
# takes.
CONTEXT.set_forkserver_preload(
    [
        "drawzoo.training.loop",
        "drawzoo.store.shards",
        "drawzoo.evaluation.measure",
        "torch._dynamo",
    ]
)


def start(size, folder, *args):
    """Starts the processes; their output goes to files of the folder."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = str(listener.getsockname()[1])
    folder.mkdir(parents=True)
    group = []
    for rank in range(size):
        environment = dict(os.environ)
        if size > 1:
            ranks = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": size}
            environment |= {key: str(value) for key, value in ranks.items()}
            environment |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        process = CONTEXT.Process(
            target=_main, args=(environment, folder / str(rank), [str(arg) for arg in args])
        )
        process.start()
        group.append(process)
    return group


def finish(group, folder):
    """Waits for them: the exit code, the lines on stdout and the text on stderr of each.

    What has not ended after a minute and a half is killed, so its exit code is -9.
    """
    deadline = time.monotonic() + 90
    for process in group:
        process.join(max(0, deadline - time.monotonic()))
        process.kill()
        process.join()
    return [
        (
            process.exitcode,
            (folder / f"{rank}.out").read_text().splitlines(),
            (folder / f"{rank}.err").read_text(),
        )
        for rank, process in enumerate(group)
    ]


def _main(environment, output: Path, args):
    import torch

    from drawzoo.cli import main

    os.environ.clear()
    os.environ.update(environment)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    torch.set_num_threads(1)
    with (
        output.with_suffix(".out").open("w") as sys.stdout,
        output.with_suffix(".err").open("w") as sys.stderr,
    ):
        main(args)
