"""Seconds a training step takes here and in PyTorch, by network and method, and both peak memories.

Both sides are programs of their own that take turns, step by step (A B A B …), with as many threads: what
else the machine does falls on both. Before that each computes the loss of the same batch from the same
weights, which must agree. Two steps at the beginning are not counted.

Threads of PyTorch's that have nothing to do look out for work for some milliseconds before they sleep, and so
take a core from the first of the next step here. A pause between steps lets both sides' threads sleep.

usage: pip install torch torchvision safetensors && cargo build --release -p free-at-benches
       python benches/pytorch/compare.py [CASE …] [--steps N] [--pause SECONDS] [--record DIR]
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional as F
from torchvision.models.resnet import BasicBlock, Bottleneck

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT / "tests/fixtures"))
import networks  # noqa: E402

THREADS, UNCOUNTED = 2, 2
TOLERANCE = 1e-4  # of the first loss: sums of single precision in another order
EPSILON = 8 / 255
PROGRAM = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release/free-at-benches"
METHODS = ["standard", "free", "pgd"]  # free: one replay of Free-m; pgd: 7-PGD
NETWORKS = {  # batch, width, channels, size, and the network
    "resnet-18": (16, 64, 3, 32, partial(networks.ResNet, BasicBlock, [2, 2, 2, 2], "cifar", base=64)),
    "resnet-34": (8, 64, 3, 32, partial(networks.ResNet, BasicBlock, [3, 4, 6, 3], "cifar", base=64)),
    "resnet-50": (8, 64, 3, 32, partial(networks.ResNet, Bottleneck, [3, 4, 6, 3], "cifar", base=64)),
    "resnet-101": (4, 64, 3, 32, partial(networks.ResNet, Bottleneck, [3, 4, 23, 3], "cifar", base=64)),
    "resnet-152": (4, 64, 3, 32, partial(networks.ResNet, Bottleneck, [3, 8, 36, 3], "cifar", base=64)),
    "preact-resnet-18": (16, 64, 3, 32, partial(networks.preact18, base=64)),
    "preact-resnet-34": (8, 64, 3, 32, partial(networks.preact34, base=64)),
    "preact-resnet-50": (8, 64, 3, 32, partial(networks.preact50, base=64)),
    "wrn-16-4": (16, 16, 3, 32, partial(networks.WideResNet, 2, base=16, widen=4)),
    "wrn-28-10": (4, 16, 3, 32, partial(networks.WideResNet, 4, base=16, widen=10)),
    "wrn-34-10": (4, 16, 3, 32, partial(networks.WideResNet, 5, base=16, widen=10)),
    "madry-wrn-32-10": (4, 16, 3, 32, partial(networks.WideResNet, 5, madry=True, base=16, widen=10)),
    "mnist-cnn": (128, 0, 1, 28, partial(networks.mnist_cnn, side=28)),
}
DEFAULT = [f"{name}:{method}" for name in ("mnist-cnn", "preact-resnet-18", "wrn-16-4")
           for method in METHODS]


def step(net, sgd, x, y, method, delta):
    """One optimiser step."""
    def of(delta):
        return F.cross_entropy(net((x + delta).clamp(0, 1)), y)

    if method == "pgd":
        delta = torch.empty_like(x).uniform_(-EPSILON, EPSILON)
        for _ in range(7):
            delta.requires_grad_()
            gradient, = torch.autograd.grad(of(delta), delta)
            moved = delta.detach() + EPSILON / 4 * gradient.sign()
            delta = moved.clamp(-EPSILON, EPSILON)
    sgd.zero_grad()
    if method == "free":
        carried = delta.detach().requires_grad_()
        of(carried).backward()
        delta = (carried.detach() + EPSILON * carried.grad.sign()).clamp(-EPSILON, EPSILON)
    elif method == "pgd":
        of(delta).backward()
    else:
        F.cross_entropy(net(x), y).backward()
    sgd.step()
    return delta


def partner(name, method, file):
    """PyTorch's side: the first loss, then a step for each line of input, and at its end the memory."""
    torch.set_num_threads(THREADS)
    *_, make = NETWORKS[name]
    given = load_file(file)
    x, y = given.pop("inputs"), given.pop("labels").long()
    net = make().train()
    net.load_state_dict(given)
    print(F.cross_entropy(net(x), y).item(), flush=True)
    net.load_state_dict(given)
    sgd = torch.optim.SGD(net.parameters(), lr=1e-4, momentum=0.9)
    delta = torch.zeros_like(x)
    for _ in sys.stdin:
        start = time.perf_counter()
        delta = step(net, sgd, x, y, method, delta)
        print(time.perf_counter() - start, flush=True)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


class Side:
    def __init__(self, name, command):
        self.name = name
        settings = {"RAYON_NUM_THREADS": str(THREADS), "OMP_NUM_THREADS": str(THREADS),
                    "MIMALLOC_PURGE_DELAY": "-1"}  # ours, as .cargo/config.toml has it for `cargo run`
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, env=os.environ | settings)
        self.loss = self.read()

    def read(self):
        answer = self.process.stdout.readline()
        if not answer:
            sys.exit(f"{self.name} ended with status {self.process.wait()}")
        return float(answer)

    def step(self, pause):
        time.sleep(pause)
        print(file=self.process.stdin, flush=True)
        return self.read()

    def memory(self):
        self.process.stdin.close()
        mebibytes = self.read()
        self.process.wait()
        return mebibytes


def spread(seconds):
    milliseconds = [1000 * second for second in seconds]
    return (f"{statistics.median(milliseconds):.0f} "
            f"({min(milliseconds):.0f} to {max(milliseconds):.0f})")


def compare(case, steps, pause):
    name, method = case.split(":")
    batch, width, channels, size, make = NETWORKS[name]
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "given.safetensors"
        given = {key: value.contiguous() for key, value in make().state_dict().items()}
        given["inputs"] = torch.rand(batch, channels, size, size)
        given["labels"] = (torch.arange(batch) % 10).int()
        save_file(given, file)
        ours = Side("free-at", [PROGRAM, name, str(width), method, file])
        theirs = Side("PyTorch", [sys.executable, __file__, "--partner", name, method, file])
        if abs(ours.loss - theirs.loss) > TOLERANCE * abs(theirs.loss):
            sys.exit(f"{case}: the loss is {ours.loss} here, {theirs.loss} in PyTorch")
        pairs = [(ours.step(pause), theirs.step(pause)) for _ in range(UNCOUNTED + steps)][UNCOUNTED:]
        here, there = zip(*pairs)
        return {"case": case, "batch": batch, "losses": [ours.loss, theirs.loss],
                "seconds": [here, there], "mebibytes": [ours.memory(), theirs.memory()]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("cases", nargs="*", default=DEFAULT, metavar="CASE", help="NETWORK:METHOD")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--pause", type=float, default=0, metavar="SECONDS", help="before each step")
    parser.add_argument("--record", type=Path, metavar="DIR", help="where the raw figures go")
    arguments = parser.parse_args()
    print(f"torch {torch.__version__}, Python {platform.python_version()}, {THREADS} threads, "
          f"{arguments.steps} steps each; milliseconds: median (lowest to highest); peak memory in MiB\n")
    print("| network | method | batch | free-at | PyTorch | ratio (lowest to highest) | memory |\n"
          "|---|---|---|---|---|---|---|")
    results = []
    for case in arguments.cases:
        result = compare(case, arguments.steps, arguments.pause)
        results.append(result)
        (name, method), (here, there) = case.split(":"), result["seconds"]
        ratios = sorted(a / b for a, b in zip(here, there))
        ratio = f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        memory = " / ".join(f"{mebibytes:.0f}" for mebibytes in result["mebibytes"])
        method = {"free": "Free-8", "pgd": "7-PGD"}.get(method, method)
        print(f"| {name} | {method} | {result['batch']} | {spread(here)} | {spread(there)} | {ratio} "
              f"| {memory} |", flush=True)
    if arguments.record:
        arguments.record.mkdir(parents=True, exist_ok=True)
        (arguments.record / "pytorch.json").write_text(json.dumps(results, indent=1) + "\n")


if sys.argv[1:2] == ["--partner"]:
    partner(*sys.argv[2:])
else:
    main()
