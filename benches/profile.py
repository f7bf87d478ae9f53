"""Where the time of a training step goes, by operation: a table in Markdown.

Runs the program `profile`, one thread, under Linux perf, and counts samples by the first rule below that
one of a stack's functions matches.

usage: cargo build --release -p free-at-benches --bin profile
       python benches/profile.py [CASE] [standard|free|pgd] [STEPS]
"""

import collections
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
PROGRAM = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release/profile"
SETUP = ["Case::network", "Case::batch"]
ALLOCATION = ["clear_page", "memset", "page_fault", "folio_", "_mi_", "mi_theap", "mi_free", "munmap", "madvise"]
RULES = [  # in this order
    ("convolution, weight gradient", ["convolution::algorithm::weight_gradient"]),
    ("convolution, input gradient", ["convolution::algorithm::input_gradient"]),
    ("convolution, forward", ["convolution::algorithm::forward"]),
    ("batch norm with its activation", ["batch_norm"]),
    ("optimiser", ["burn_optim", "momentum"]),
    ("element-wise, sums, averages, losses", ["burn_flex::ops", "burn_flex::zip", "burn_flex::simd"]),
    ("autodiff's bookkeeping", ["burn_autodiff"]),
]
# Called by one of ours, and neither by a network nor by autodiff: perturbation, clamp, projection.
OURS, NOT_OURS = ["free_at_core"], ["logits", "Objective", "backward", "burn_optim", "register"]


def stacks(text):
    for block in text.split("\n\n"):
        frames = [line.split(None, 1)[-1] for line in block.split("\n")[1:] if line.strip()]
        if frames:
            yield frames


def kind(frames):
    text = "\n".join(frames)

    def has(names):
        return any(name in text for name in names)

    if any(name in frame for frame in frames[:8] for name in ALLOCATION):
        return "allocation, and the kernel's clearing of pages"
    if has(OURS) and not has(NOT_OURS):
        return "ours: perturbation, clamp, projection, states"
    return next((name for name, matches in RULES if has(matches)), "other")


def main():
    case, method, steps = (sys.argv[1:] + ["wrn-16-4", "free", "30"][len(sys.argv) - 1:])[:3]
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "perf.data"
        perf = ["perf", "record", "-q", "-e", "cpu-clock", "-F", "199", "--call-graph", "dwarf,32768", "-o", data]
        kept = {"MIMALLOC_PURGE_DELAY": "-1"}  # as .cargo/config.toml has it for `cargo run`
        subprocess.run([*perf, PROGRAM, case, method, steps], check=True, env=os.environ | kept)
        script = ["perf", "script", "-i", data, "-F", "comm,tid,ip,sym"]
        text = subprocess.run(script, check=True, capture_output=True, text=True).stdout
    counts = collections.Counter(kind(frames) for frames in stacks(text)
                                 if not any(name in frame for frame in frames for name in SETUP))
    total = sum(counts.values())
    print(f"{case}, {method}, {steps} steps, {total} samples\n\n| | share |\n|---|---|")
    for name, count in counts.most_common():
        print(f"| {name} | {100 * count / total:.1f} % |")


main()
