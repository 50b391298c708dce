"""One message: keys, envelope, spans. See FORMAT.md, "Message"."""

import struct

import entries as e
from models import Corrupt, Guessed, Identifiers, Integers, Model, Parameter, Recent, Slot, Steps
from models import cheapest, cost, follow
from primitives import M64

OWN, PARENT, TRACE = range(3)


class Relative:
    def __init__(self, number=0):
        self.id, self.known, self.start = number, False, 0
        self.has_children, self.children_start, self.children_end = False, 0, 0

    def add_child(self, start, end):
        if not self.has_children:
            self.has_children, self.children_start, self.children_end = True, start, end
        self.children_start, self.children_end = min(self.children_start, start), max(self.children_end, end)


def push(relatives, relative):
    if len(relatives) == 128:
        del relatives[:64]
    relatives.append(relative)


def remember(memory, value):
    at = memory.index(value) if value in memory else len(memory) - 1
    del memory[at]
    memory.insert(0, value)


class Trace:
    def __init__(self, number):
        self.id, self.leaf, self.block, self.end = number, 0, M64, 0
        self.pending, self.seen = [], []
        self.integers, self.identifiers = [0] * 6, [0] * 3


class Message:
    def __init__(self, reader, models, entries):
        self.c, self.models, self.entries = reader, models, entries
        self.traces, self.order = [Trace(0)], []
        self.keys, self.groups = [], []
        self.leaf = self.group = self.start = self.end = self.integer = self.duration = 0

    # --- small things ---
    def number(self, places, at=0):
        return self.c.number(self.models.get(places, at, Model))

    def signed(self, places, at=0):
        return self.c.signed(self.models.get(places, at, Model))

    def symbol(self, places, at=0):
        return self.c.symbol(self.models.get(places, at, Model))

    def long_text(self):
        return self.c.take(self.number(self.models.lens))

    def entry(self, recent, kind):
        symbol = self.c.symbol(recent.model)
        if symbol < 15:
            return recent.ids[symbol]
        number = self.number(self.models.ids, kind)
        recent.insert(number)
        if kind != e.LEAF or number != 0:
            self.definition(kind, number)
        return number

    def definition(self, kind, number):
        if self.symbol(self.models.known) == 0:
            return
        if kind == e.LEAF:
            self.definition(e.TEMPLATE, self.number(self.models.ids, e.TEMPLATE))
        length = self.number(self.models.lens)
        if length > e.LONGEST[kind]:
            raise Corrupt("an entry's length")
        self.entries.define(kind, number, self.c.take(length))

    # --- the whole ---
    def decode(self):
        models = self.models
        for _ in range(self.number(models.counts)):
            self.keys.append(self.entries.get(e.KEY, self.entry(models.get(models.key, 0, Recent), e.KEY)))
        items = []
        for _ in range(self.number(models.counts)):
            if self.symbol(models.flags) == 0:
                items.append(self.long_text())
                continue
            resource = self.shell(0)
            scopes = []
            for _ in range(self.number(models.counts)):
                scope = self.shell(2)
                inner_width = self.symbol(models.flags)
                spans = self.number(models.counts)
                group = {"shell": scope[1], "left": spans, "spans": []}
                self.groups.append(group)
                scopes.append((scope, inner_width, group))
            items.append((resource, scopes))
        for _ in range(sum(group["left"] for group in self.groups)):
            self.span()
        hash = self.c.finish()
        out = bytearray()
        for item in items:
            if isinstance(item, bytes):
                out += item
                continue
            resource, scopes = item
            inner = bytearray()
            for scope, inner_width, group in scopes:
                spans = b"".join(b"\x12" + e.put_varint(len(span), inner_width) + span for span in group["spans"])
                inner += self.wrap(b"\x12", scope, spans)
            out += self.wrap(b"\x0a", resource, bytes(inner))
        return bytes(out), hash

    def shell(self, which):
        width = self.symbol(self.models.flags)
        ids = [self.entry(self.models.get(self.models.shells, which + at, Recent), e.SHELL) for at in range(2)]
        return width, ids[0], ids[1]

    def wrap(self, tag, shell, inner):
        width, before, after = shell
        contents = self.entries.get(e.SHELL, before) + inner + self.entries.get(e.SHELL, after)
        return tag + e.put_varint(len(contents), width) + contents

    # --- spans ---
    def span(self):
        models = self.models
        index = self.trace()
        trace = self.traces[index]
        leaf_id, (group_symbol, own_symbol, parent_symbol) = self.step(trace)
        group = self.span_group(leaf_id, group_symbol)
        self.leaf = trace.leaf = leaf_id
        if leaf_id == 0:
            group["spans"].append(self.long_text())
            return
        leaf = self.entries.get(e.LEAF, leaf_id)
        values = [None] * len(leaf.template.slots)
        trace_slot, span_slot, parent_slot, start_slot, end_slot = leaf.special
        if (trace_slot is None) != (index == 0):
            raise Corrupt("a trace id where there is none")
        if trace_slot is not None:
            values[trace_slot] = trace.id
        own_models = models.leaf(leaf_id)
        own = Relative()
        if span_slot is not None:
            own = self.span_id(trace, own_symbol)
            values[span_slot] = own.id
        parent = None
        if parent_slot is not None:
            parent = self.parent_id(trace, parent_symbol)
            values[parent_slot] = parent.id
        self.times(index, own_models, leaf, own, parent, values)
        trace.end = self.end
        if parent is not None:
            parent.add_child(self.start, self.end)
        if span_slot is not None:
            own.known, own.start = True, self.start
            push(trace.seen, own)
        self.rest(trace, leaf, values)
        group["spans"].append(leaf.write(values))

    def trace(self):
        symbol = self.symbol(self.models.leaf(self.leaf).trace)
        if symbol == 13:
            return 0
        if symbol == 15:
            self.traces.append(Trace(self.new_trace_id()))
            self.order.append(len(self.traces) - 1)
            return self.order[-1]
        if symbol == 14:
            index = len(self.traces) - 1 - self.number(self.models.far)
            if index < 1:
                raise Corrupt("a trace")
            self.order.append(index)
            return index
        rank = self.number(self.models.far) if symbol == 12 else symbol
        if rank >= len(self.order):
            raise Corrupt("a trace")
        self.order.append(self.order.pop(len(self.order) - 1 - rank))
        return self.order[-1]

    def step(self, trace):
        """The span's leaf and the symbols of its group, its id and its parent's id."""
        models = self.models
        before = None if trace.leaf == 0 else models.leaf(trace.leaf)
        steps = models.get(models.first if before is None else before.next, 0, Steps)
        symbol = self.c.symbol(steps.model)
        if symbol < 15:
            return steps.steps[symbol]
        leaves = models.get(models.first_leaf if before is None else before.next_leaf, 0, Recent)
        leaf_id = self.entry(leaves, e.LEAF)
        own = models.leaf(leaf_id)
        group = own_id = parent = 0
        if len(self.groups) != 1:
            group = self.symbol(own.group)
        if leaf_id != 0:
            special = self.entries.get(e.LEAF, leaf_id).special
            if special[1] is not None:
                own_id = self.symbol(own.id)
            if special[2] is not None:
                parent = self.symbol(own.parent, int(special[1] is not None and own_id <= 11))
        steps.insert((leaf_id, (group, own_id, parent)))
        return leaf_id, (group, own_id, parent)

    def span_group(self, leaf_id, symbol):
        models = self.models.leaf(leaf_id)
        chosen = 0
        if len(self.groups) != 1:
            if symbol == 0:
                fit = [at for at, g in enumerate(self.groups[:64]) if g["shell"] == models.shell and g["left"]]
                if not fit:
                    raise Corrupt("a group")
                chosen = fit[0]
            else:
                chosen = self.group if symbol == 1 else self.number(self.models.counts)
        if chosen >= len(self.groups) or self.groups[chosen]["left"] == 0:
            raise Corrupt("a group")
        group = self.groups[chosen]
        group["left"] -= 1
        models.shell, self.group = group["shell"], chosen
        return group

    def span_id(self, trace, symbol):
        if symbol > 11:
            return Relative(self.new_span_id(OWN, trace))
        rank = self.number(self.models.far) if symbol == 11 else symbol
        if rank >= len(trace.pending):
            raise Corrupt("a span's id")
        return trace.pending.pop(len(trace.pending) - 1 - rank)

    def parent_id(self, trace, symbol):
        if symbol > 13:
            parent = Relative(self.new_span_id(PARENT, trace))
            push(trace.pending, parent)
            return parent
        relatives = trace.pending if symbol < 8 else trace.seen
        rank = self.number(self.models.far) if symbol in (7, 13) else symbol % 8
        if rank >= len(relatives):
            raise Corrupt("a parent's id")
        relatives.append(relatives.pop(len(relatives) - 1 - rank))
        return relatives[-1]

    # --- times ---
    def times(self, index, models, leaf, own, parent, values):
        trace = self.traces[index]
        parent = parent or Relative()
        if own.has_children:
            situation, guess = 0, own.children_start
        elif parent.has_children:
            situation, guess = 1, parent.children_end
        elif parent.known:
            situation, guess = 2, parent.start
        elif trace.seen and index != 0:
            situation, guess = 3, trace.end
        else:
            situation, guess = 4, self.end
        slots = leaf.special[3:]
        if slots[0] is not None:
            self.start = values[slots[0]] = self.time(models.starts, situation, guess, leaf.start_unit)
        guess = own.children_end if own.has_children else self.start
        if slots[1] is not None:
            self.end = values[slots[1]] = self.time(models.ends, situation, guess, leaf.end_unit)
        self.duration = (self.end - self.start) & M64

    def time(self, places, at, guess, unit):
        return ((guess // unit + self.signed(places, at)) & M64) * unit & M64

    def other_time(self, places, guesses):
        guessed = self.models.get(places, 0, Guessed)
        guesses = guesses + guesses[-1:]
        value = (guesses[cheapest(guessed.costs)] + self.c.signed(guessed.model)) & M64
        for at, guess in enumerate(guesses):
            follow(guessed.costs, at, cost((value - guess) & M64))
        return value

    # --- other slots ---
    def rest(self, trace, leaf, values):
        slots = leaf.template.slots
        models = self.models.several(self.models.templates, leaf.template_id, len(slots), Slot)
        event = self.start
        for slot in leaf.rest:
            kind, own = slots[slot], models[slot]
            if kind in (e.VARINT, e.FIXED32):
                value = self.own_integer(trace, own)
            elif kind == e.FIXED64:
                value = self.own_double(trace, own)
            elif kind == e.BYTES:
                value = self.string(trace, own)
            elif kind in (e.EVENT_TIME, e.START, e.END):
                value = event = self.other_time(own.time, [event, self.end, self.start])
            elif kind in (e.TRACE_ID, e.LINK_TRACE_ID):
                value = self.c.raw(64) | (self.c.raw(64) << 64)
            else:
                value = self.c.raw(64)
            values[slot] = value

    def own_integer(self, trace, own):
        self.integer = self.column_integer(trace, self.models.get(own.integers, 0, Integers))
        return self.integer

    def column_integer(self, trace, column):
        if column.misses > 32:
            column.misses = 32 if column.misses == 47 else column.misses + 1
            value = self.new_integer(column)
            if value >= 16:
                trace.integers = [value] + trace.integers[:-1]
            return value
        symbol = self.c.symbol(column.source)
        if symbol == 0:
            column.misses += 1
            value = self.new_integer(column)
            column.held.put(value)
        else:
            value = trace.integers[symbol - 1] if symbol < 7 else column.held.values[symbol - 7]
            column.last, column.misses = value, 0
        if value >= 16:
            remember(trace.integers, value)
        return value

    def new_integer(self, column):
        guesses = [0, column.last, (self.duration - self.integer) & M64]
        mode = cheapest(column.costs)
        if mode == 0:
            value = self.number(column.numbers, 0)
        else:
            value = (guesses[mode] + self.signed(column.numbers, mode)) & M64
        for mode, guess in enumerate(guesses):
            follow(column.costs, mode, cost((value - guess) & M64) + (16 if mode else 0))
        column.last = value
        return value

    def own_double(self, trace, own):
        digits = self.symbol(self.models.double)
        value = self.own_integer(trace, own)
        if digits == 15:
            return value
        if digits > 4:
            raise Corrupt("a decimal fraction")
        whole = (value >> 1) ^ -(value & 1)
        return struct.unpack("<Q", struct.pack("<d", float(whole) / 10.0**digits))[0]

    def string(self, trace, own):
        text_id = self.entry(self.models.get(own.recent, 0, Recent), e.TEXT)
        text = self.entries.get(e.TEXT, text_id)
        if text.parameters == 0:
            return b"".join(text.parts)
        models = iter(self.models.several(self.models.texts, text_id, text.parameters, Parameter))
        return b"".join(part if isinstance(part, bytes) else self.parameter(trace, part, next(models)) for part in text.parts)

    def parameter(self, trace, part, models):
        kind, width = part
        if kind == 5:
            return self.long_text()
        if kind in (1, 2):
            value = self.column_integer(trace, self.models.get(models.integers, 0, Integers))
            return str(value).zfill(width or 1).encode()
        column = self.models.get(models.identifiers, 0, Identifiers)
        digits = 32 if kind == 3 else width
        symbol = self.c.symbol(column.source)
        if symbol == 0:
            value = self.c.raw(min(4 * digits, 64))
            value |= self.c.raw(max(4 * digits - 64, 0)) << 64
            column.held.put(value)
        elif symbol < 4:
            value = trace.identifiers[symbol - 1]
        else:
            value = column.held.values[symbol - 4]
        remember(trace.identifiers, value)
        text = f"{value:032x}"[32 - digits :]
        if kind == 3:
            text = "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
        return text.encode()

    # --- ids ---
    def source(self, whose):
        source = self.symbol(self.models.sources, whose) if self.keys else 0
        if source > len(self.keys):
            raise Corrupt("a key")
        return source

    def new_span_id(self, whose, trace):
        source = self.source(whose)
        if source == 0:
            return self.c.raw(64)
        counter = self.counter(source - 1, whose, trace.block)
        trace.block = counter // 256
        return self.keys[source - 1].span_id(counter)

    def new_trace_id(self):
        source = self.source(TRACE)
        if source == 0:
            return self.c.raw(64) | (self.c.raw(64) << 64)
        nonces = self.models.nonces[source - 1]
        rank = self.number(self.models.nonce)
        if rank == 0:
            nonce = self.c.raw(64)
            nonces.pop()
        else:
            nonce = nonces.pop(rank - 1)
        nonces.insert(0, nonce)
        return self.keys[source - 1].trace_id(nonce, self.counter(source - 1, TRACE, M64))

    def counter(self, key, whose, likeliest):
        blocks = self.models.blocks[key][whose == TRACE]
        rank = self.number(self.models.block, whose)
        if rank == 0:
            block, last = (blocks.newest + self.signed(self.models.new_block, whose)) & M64, 0
        else:
            rank = max(blocks.rank(likeliest), 1) if rank == 1 else rank - 1
            block, last = blocks.latest[rank - 1]
        low = (last + self.signed(self.models.in_block, whose + (3 if block == likeliest else 0))) & M64
        blocks.put(rank, block, low)
        return (block * 256 + low) & M64
