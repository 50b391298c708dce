"""What the sides of a stream share. See FORMAT.md, "Entries"."""

from models import Corrupt
from primitives import aes_encrypt, speck_encrypt

SHELL, TEMPLATE, LEAF, TEXT, KEY = range(5)
LONGEST = [64 * 1024, 32 * 1024, 64 * 1024, 4 * 1024, 64]
UNITS = [1, 100, 1000, 1000000]
VARINT, FIXED64, FIXED32, BYTES, TRACE_ID, SPAN_ID, PARENT_ID, START, END, EVENT_TIME, LINK_TRACE_ID, LINK_SPAN_ID = range(
    1, 13
)
LITERAL, OPEN, CLOSE = 16, 17, 18
PLAIN = (VARINT, FIXED64, FIXED32, BYTES)
SIZES = {VARINT: 1, BYTES: 1, FIXED32: 4, TRACE_ID: 16, LINK_TRACE_ID: 16}


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def put_varint(value, width=0):
    out = bytearray()
    while value >= 0x80 or len(out) + 1 < width:
        out.append((value & 0x7F) | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


class Template:
    def __init__(self, shape):
        self.ops, self.slots, self.length = [], [], len(shape)
        at = 0
        while at < len(shape):
            op = shape[at]
            at += 1
            operand = None
            if op in (VARINT, BYTES, OPEN, LITERAL):
                operand = shape[at]
                at += 1
            if op == LITERAL:
                operand, at = shape[at : at + operand], at + operand
            elif op < LITERAL:
                self.slots.append(op)
            elif op not in (OPEN, CLOSE):
                raise Corrupt("an operation")
            self.ops.append((op, operand))


class Leaf:
    def __init__(self, data, templates):
        self.template_id, at = varint(data, 0)
        self.template = templates[self.template_id]
        units, at = data[at], at + 1
        self.start_unit, self.end_unit = UNITS[units & 3], UNITS[units >> 2]
        # A value of every span, or nothing.
        self.values = []
        for slot in self.template.slots:
            value = None
            if slot in PLAIN:
                has_value, at = data[at], at + 1
                if has_value:
                    value, at = varint(data, at)
                    if slot == BYTES:
                        value, at = data[at : at + value], at + value
            self.values.append(value)
        if at != len(data):
            raise Corrupt("a leaf")
        slots = self.template.slots
        kinds = (TRACE_ID, SPAN_ID, PARENT_ID, START, END)
        self.special = [slots.index(kind) if kind in slots else None for kind in kinds]
        own = [at for at, value in enumerate(self.values) if value is None]
        self.rest = [at for at in own if at not in self.special]

    def write(self, values):
        """A span's bytes."""
        values = [own if shared is None else shared for own, shared in zip(values, self.values)]
        slot = 0
        stack = [(bytearray(), 0)]
        for op, operand in self.template.ops:
            out = stack[-1][0]
            if op == LITERAL:
                out += operand
            elif op == OPEN:
                stack.append((bytearray(), operand))
            elif op == CLOSE:
                inner, width = stack.pop()
                stack[-1][0].extend(put_varint(len(inner), width) + inner)
            else:
                value = values[slot]
                slot += 1
                if op == VARINT:
                    out += put_varint(value, operand)
                elif op == BYTES:
                    out += put_varint(len(value), operand) + value
                elif op in (TRACE_ID, LINK_TRACE_ID):
                    out += value.to_bytes(16, "little")
                else:
                    out += value.to_bytes(SIZES.get(op, 8), "little")
        return bytes(stack[0][0])


class Text:
    """Literals as bytes, parameters as tuples of kind and width."""

    def __init__(self, pattern):
        self.parts = []
        literal = bytearray()
        at = 0
        while at < len(pattern):
            byte = pattern[at]
            at += 1
            if byte:
                literal.append(byte)
                continue
            kind = pattern[at]
            at += 1
            if kind == 0:
                literal.append(0)
                continue
            width = None
            if kind in (2, 4):
                width = pattern[at]
                at += 1
            if literal:
                self.parts.append(bytes(literal))
            literal = bytearray()
            self.parts.append((kind, width))
        if literal:
            self.parts.append(bytes(literal))
        self.parameters = sum(isinstance(part, tuple) for part in self.parts)


class Key:
    def __init__(self, data):
        self.spans, self.traces = data[1:17], data[17:33]

    def span_id(self, counter):
        return int.from_bytes(speck_encrypt(self.spans, counter).to_bytes(8, "big"), "little")

    def trace_id(self, nonce, counter):
        block = nonce.to_bytes(8, "big") + counter.to_bytes(8, "big")
        return int.from_bytes(aes_encrypt(self.traces, block), "little")


class Entries:
    def __init__(self):
        self.raw = [{} for _ in range(5)]
        self.read = [{} for _ in range(5)]
        self.define(TEXT, 0, b"\x00\x05")

    def define(self, kind, number, data):
        held = self.raw[kind].get(number)
        if held is not None:
            if held != data:
                raise Corrupt("an entry defined again")
            return
        if kind == TEMPLATE:
            entry = Template(data)
        elif kind == LEAF:
            entry = Leaf(data, self.read[TEMPLATE])
        else:
            entry = {SHELL: bytes, TEXT: Text, KEY: Key}[kind](data)
        self.raw[kind][number] = data
        self.read[kind][number] = entry

    def get(self, kind, number):
        if number not in self.read[kind]:
            raise Corrupt("state lost")
        return self.read[kind][number]
