#!/usr/bin/env python3
"""Exports the digits network of the tests (free-8) from PyTorch to models/digits.onnx.

    pip install torch==2.15.0 onnx onnxscript safetensors
    python export.py
"""
import sys
from pathlib import Path

import onnx
import torch
from safetensors.torch import load_file

HERE = Path(__file__).parent
FIXTURES = HERE / "../../tests/fixtures"
sys.path.insert(0, str(FIXTURES))
from small_cnn import Net

net = Net()
net.load_state_dict(load_file(FIXTURES / "free-8.safetensors"))
# A batch of any size: a static one is built into the graph.
batch = {0: torch.export.Dim("batch")}
images = torch.zeros(2, 1, 8, 8)
path = str(HERE / "models" / "digits.onnx")
torch.onnx.export(
    net.eval(), (images,), path, input_names=["images"], output_names=["logits"], dynamo=True, opset_version=18,
    external_data=False, dynamic_shapes=(batch,),
)
# Without where on whose machine each node came from.
model = onnx.load(path)
for part in [model, model.graph, *model.graph.node, *model.graph.input, *model.graph.output, *model.graph.value_info,
             *model.graph.initializer]:
    part.doc_string = ""
    if hasattr(part, "metadata_props"):
        del part.metadata_props[:]
onnx.checker.check_model(model)
onnx.save(model, path)
