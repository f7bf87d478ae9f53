"""Writes breast-cancer.csv.gz and wine-quality-red.csv.gz, the tables that free-at-data embeds.

"Breast Cancer Wisconsin (Diagnostic)", W. Wolberg, O. Mangasarian, N. Street and W. Street, UCI Machine
Learning Repository, 1993, https://doi.org/10.24432/C5DW2B, licensed CC BY 4.0, as scikit-learn ships it.

"Wine Quality", P. Cortez, A. Cerdeira, F. Almeida, T. Matos and J. Reis, UCI Machine Learning
Repository, 2009, https://doi.org/10.24432/C56S3T, licensed CC BY 4.0: its file winequality-red.csv, as UCI
(with semicolons) or the crate linfa-datasets (gzip, with commas) ships it.

Values and their order are unchanged; both files get a header, commas and the label in the last column.

usage: pip install scikit-learn && python tables.py winequality-red.csv[.gz]
"""

import csv
import gzip
import sys
from pathlib import Path

from sklearn.datasets import load_breast_cancer


def write(name, header, rows):
    lines = [",".join(row) for row in [header, *rows]]
    target = Path(__file__).with_name(name)
    target.write_bytes(gzip.compress("\n".join(lines).encode() + b"\n", compresslevel=9, mtime=0))
    print(f"{name}: {len(rows)} rows, {target.stat().st_size} bytes")


cancer = load_breast_cancer()
names = [str(name) for name in cancer.feature_names]
labels = [str(cancer.target_names[target]) for target in cancer.target]
rows = [[f"{value:.10g}" for value in row] + [label] for row, label in zip(cancer.data, labels)]
assert len(rows) == 569 and labels.count("malignant") == 212
write("breast-cancer.csv.gz", [*names, "diagnosis"], rows)

source = Path(sys.argv[1])
raw = source.read_bytes()
text = (gzip.decompress(raw) if source.suffix == ".gz" else raw).decode()
header, *rows = csv.reader(text.splitlines(), delimiter=";" if ";" in text.splitlines()[0] else ",")
assert len(rows) == 1599 and header[-1] == "quality" and {row[-1] for row in rows} == set("345678")
write("wine-quality-red.csv.gz", header, rows)
