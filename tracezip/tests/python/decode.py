#!/usr/bin/env python3
"""A second decoder of tracezip, written from FORMAT.md: it decodes the frozen vectors.

decode.py FOLDER: for each NAME.frames (frames, each after its length as a varint) there is NAME.txt, with the length
and the XXH3-64 of what each decodes to. Needs the package `zstandard`."""

import copy
import pathlib
import sys

import zstandard

from entries import Entries, varint
from message import Message
from models import Corrupt, Models, Reader
from primitives import self_test, xxh3

SELF_CONTAINED, RETAINED, COMPRESSED, STORED = 1, 2, 4, 8
HERE = pathlib.Path(__file__).parent
DICTIONARY = zstandard.ZstdCompressionDict(
    (HERE / "../../dictionary/v1.bin").read_bytes(), dict_type=zstandard.DICT_TYPE_FULLDICT
)


class Stream:
    def __init__(self, epoch):
        self.epoch, self.entries, self.kept = epoch, Entries(), {}


def decompress(text, length, compressed):
    if compressed:
        context = zstandard.ZstdDecompressor(dict_data=DICTIONARY, max_window_size=1 << 20)
        text = context.decompress(bytes.fromhex("28b52ffd") + text, max_output_size=length)
    if len(text) != length:
        raise Corrupt("the text's length")
    return text


class Decoder:
    def __init__(self):
        self.streams, self.handles = {}, []

    def decode(self, frame):
        if frame[0] != 7 or frame[1] >> 4 != 1:
            raise Corrupt("no frame of version 1")
        flags, at = frame[1] & 15, 2
        stream, epoch, sequence, base = Stream(0), 0, 0, 0
        if not flags & SELF_CONTAINED:
            handle, at = varint(frame, at)
            if handle == 0:
                name, at = frame[at : at + 16], at + 16
                if name not in self.handles:
                    self.handles.append(name)
            else:
                name, at = self.handles[handle - 1], at + 2
            epoch, at = varint(frame, at)
            sequence, at = varint(frame, at)
            base, at = varint(frame, at)
            stream = self.streams.get(name)
            if stream is None or stream.epoch != epoch:
                stream = self.streams[name] = Stream(epoch)
        size, at = varint(frame, at)
        if flags & STORED:
            text, hash = frame[at:-8], int.from_bytes(frame[-8:], "little")
            out = decompress(text, size, flags & COMPRESSED)
        else:
            symbols, at = varint(frame, at)
            bits, at = varint(frame, at)
            length, at = varint(frame, at)
            parts = frame[at : at + symbols], frame[at + symbols : at + symbols + bits], frame[at + symbols + bits :]
            text = decompress(parts[2], length, flags & COMPRESSED)
            models = copy.deepcopy(stream.kept[sequence - base]) if base else Models()
            out, hash = Message(Reader(parts[0], parts[1], text), models, stream.entries).decode()
            if flags & RETAINED:
                stream.kept[sequence] = models
        if len(out) != size or xxh3(out) != hash:
            raise Corrupt("not what was encoded")
        return out


def run(folder):
    self_test()
    vectors = sorted(pathlib.Path(folder).glob("*.frames"))
    if not vectors:
        sys.exit(f"{folder} holds no vectors")
    for path in vectors:
        frames, decoder, at = path.read_bytes(), Decoder(), 0
        for number, line in enumerate(path.with_suffix(".txt").read_text().splitlines()):
            length, at = varint(frames, at)
            frame, at = frames[at : at + length], at + length
            out = decoder.decode(frame)
            if line.split() != [str(len(out)), f"{xxh3(out):016x}"]:
                sys.exit(f"{path.name}, frame {number}: {len(out)} bytes, {xxh3(out):016x} instead of {line}")
        if at != len(frames):
            sys.exit(f"{path.name} holds more frames than {path.stem}.txt has lines")
        print(f"{path.name}: {number + 1} frames")


if __name__ == "__main__":
    run(sys.argv[1])
