"""Writes expected.tfevents with TensorBoard's own classes: pip install tensorboard; python expected.py"""

import pathlib

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

TIME = 1_700_000_000.25


def epoch(step, split, metrics):
    values = [Summary.Value(tag=f"{name}/{split}", simple_value=value) for name, value in metrics]
    return Event(wall_time=TIME, step=step, summary=Summary(value=values))


events = [
    Event(wall_time=TIME, file_version="brain.Event:2"),
    Event(wall_time=TIME, step=299, session_log=SessionLog(status=SessionLog.START)),
    epoch(299, "train", [("Accuracy", 93.75), ("Loss", 0.1), ("seconds", 1e-30)]),
    epoch(299, "valid", [("Robust Accuracy", 51.2)]),
    epoch(300, "train", [(f"metric {number:02}", -float(number)) for number in range(40)]),
]
with open(pathlib.Path(__file__).with_name("expected.tfevents"), "wb") as file:
    writer = RecordWriter(file)
    for event in events:
        writer.write(event.SerializeToString(deterministic=True))
    writer.flush()
