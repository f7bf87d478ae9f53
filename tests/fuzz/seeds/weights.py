"""Writes zip.pt and legacy.pth: the weights of nn.Sequential(Linear(4, 5), ReLU(), Linear(5, 3)) in both of PyTorch's
formats, the older one inside a training script's dictionary.

usage: python weights.py    (torch 2.x)
"""

import pathlib

import torch

HERE = pathlib.Path(__file__).parent


def main():
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.ReLU(), torch.nn.Linear(5, 3))
    torch.save(net.state_dict(), HERE / "zip.pt")
    script = {"epoch": 3, "state_dict": net.state_dict(), "args": [0.1, "free", None]}
    torch.save(script, HERE / "legacy.pth", _use_new_zipfile_serialization=False)


main()
