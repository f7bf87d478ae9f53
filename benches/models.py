"""Seconds a training step takes here and in PyTorch, for the networks of free-at-models.

The two take turns, step by step, with as many threads: what else the machine does falls on both. Each
first makes two steps that are not counted.

usage: pip install torch torchvision && cargo build --workspace && python benches/models.py
"""

import os
import platform
import statistics
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import torch
from torchvision.models.resnet import BasicBlock, Bottleneck

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests/fixtures"))
import networks  # noqa: E402

THREADS, STEPS, UNCOUNTED = 2, 10, 2
PROGRAM = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug/free-at-benches"
NETWORKS = {  # batch, channels, size, and the network
    "resnet-18": (16, 3, 32, partial(networks.ResNet, BasicBlock, [2, 2, 2, 2], "cifar", base=64)),
    "resnet-34": (8, 3, 32, partial(networks.ResNet, BasicBlock, [3, 4, 6, 3], "cifar", base=64)),
    "resnet-50": (8, 3, 32, partial(networks.ResNet, Bottleneck, [3, 4, 6, 3], "cifar", base=64)),
    "resnet-101": (4, 3, 32, partial(networks.ResNet, Bottleneck, [3, 4, 23, 3], "cifar", base=64)),
    "resnet-152": (4, 3, 32, partial(networks.ResNet, Bottleneck, [3, 8, 36, 3], "cifar", base=64)),
    "preact-resnet-18": (16, 3, 32, partial(networks.preact18, base=64)),
    "preact-resnet-34": (8, 3, 32, partial(networks.preact34, base=64)),
    "preact-resnet-50": (8, 3, 32, partial(networks.preact50, base=64)),
    "wrn-16-4": (16, 3, 32, partial(networks.WideResNet, 2, base=16, widen=4)),
    "wrn-28-10": (4, 3, 32, partial(networks.WideResNet, 4, base=16, widen=10)),
    "wrn-34-10": (4, 3, 32, partial(networks.WideResNet, 5, base=16, widen=10)),
    "madry-wrn-32-10": (4, 3, 32, partial(networks.WideResNet, 5, madry=True, base=16, widen=10)),
    "mnist-cnn": (128, 1, 28, partial(networks.mnist_cnn, side=28)),
}


def torch_steps(make, batch, channels, size):
    net = make().train()
    sgd = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
    x, y = torch.rand(batch, channels, size, size), torch.arange(batch) % 10
    while True:
        start = time.perf_counter()
        sgd.zero_grad()
        torch.nn.functional.cross_entropy(net(x), y).backward()
        sgd.step()
        yield time.perf_counter() - start


def rust_steps(name, batch, channels, size):
    command = [PROGRAM, name, str(batch), str(channels), str(size)]
    threads = {"RAYON_NUM_THREADS": str(THREADS)}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                          env=os.environ | threads) as program:
        while True:
            print(file=program.stdin, flush=True)
            answer = program.stdout.readline()
            if not answer:
                sys.exit(f"{name}: free-at-benches ended with status {program.wait()}")
            yield float(answer)


def spread(seconds):
    milliseconds = [1000 * second for second in seconds]
    return (f"{statistics.median(milliseconds):.0f} "
            f"({min(milliseconds):.0f} to {max(milliseconds):.0f})")


def main():
    torch.set_num_threads(THREADS)
    print(f"torch {torch.__version__}, Python {platform.python_version()}, {THREADS} threads, "
          f"{STEPS} steps each; milliseconds: median (lowest to highest)\n")
    print("| network | batch | free-at | PyTorch | ratio of medians |\n|---|---|---|---|---|")
    for name in sys.argv[1:] or NETWORKS:
        batch, channels, size, make = NETWORKS[name]
        ours, theirs = rust_steps(name, batch, channels, size), torch_steps(make, batch, channels, size)
        pairs = [(next(ours), next(theirs)) for _ in range(UNCOUNTED + STEPS)][UNCOUNTED:]
        ours.close()
        here, there = zip(*pairs)
        ratio = statistics.median(here) / statistics.median(there)
        print(f"| {name} | {batch} | {spread(here)} | {spread(there)} | {ratio:.1f} |", flush=True)


main()
