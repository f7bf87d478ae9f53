"""Writes digits.bin.gz, the data set that free-at-data embeds.

The data: "Optical Recognition of Handwritten Digits", E. Alpaydin and C. Kaynak, UCI Machine
Learning Repository, 1998, https://doi.org/10.24432/C50P49, licensed CC BY 4.0. These are its 1,797
test images, as scikit-learn ships them. Changes: the images are put into a random order (fixed
below), so that the first 1,437 can serve for training and the last 360 for testing.

A record is one label byte, then 64 pixels from 0 to 16, row by row.

usage: pip install numpy scikit-learn && python digits.py
"""

import gzip
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

SEED = 0

digits = load_digits()
order = np.random.RandomState(SEED).permutation(len(digits.target))
records = np.concatenate([digits.target[:, None], digits.data], axis=1).astype(np.uint8)[order]
assert records.shape == (1797, 65) and records[:, 1:].max() == 16

target = Path(__file__).with_name("digits.bin.gz")
target.write_bytes(gzip.compress(records.tobytes(), compresslevel=9, mtime=0))
print(f"{target.name}: {target.stat().st_size} bytes, labels {np.bincount(records[:, 0])}")
