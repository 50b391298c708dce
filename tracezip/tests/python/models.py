"""What a stream learns, and the symbols, bits and text that it is learnt from. See FORMAT.md, "Symbols, bits, text"."""

import struct

from primitives import M64

# The longest of the lengths in bits that each symbol stands for.
NUMBERS = [0, 1, 2, 3, 4, 6, 8, 12, 16, 20, 24, 28, 32, 40, 48, 64]
DIFFERENCES = [0, 1, 9, 13, 17, 21, 25, 64]
RATES = [1] + [2] * 2 + [3] * 4 + [4] * 8 + [5] * 16 + [6]


class Corrupt(Exception):
    pass


def cost(value):
    """Sixteenths of a bit, roughly: the upper bits of the difference, which is modulo 2^64, as a double."""
    difference = (value - (1 << 64) if value >> 63 else value) | 1
    return (struct.unpack("<Q", struct.pack("<d", float(difference)))[0] >> 48) & 0x7FFF


def follow(running, at, new):
    running[at] += (new - running[at]) >> 3


def cheapest(costs):
    return costs.index(min(costs))


class Model:
    CHARGE = 32

    def __init__(self):
        self.c = [2048 * i for i in range(17)]
        self.seen = 0

    def frequency(self, symbol):
        return self.c[symbol + 1] - self.c[symbol]

    def learn(self, symbol):
        rate = RATES[self.seen]
        for i in range(1, 16):
            target = i if i <= symbol else 32768 - 16 + i
            self.c[i] += (target - self.c[i]) >> rate
        self.seen = min(self.seen + 1, 31)


def place_for_new(model, values, capacity, first):
    """A free place, or that of the symbol with the least frequency."""
    if len(values) < capacity:
        values.append(None)
        return len(values) - 1
    return min(range(capacity), key=lambda at: model.frequency(first + at))


class Guessed:
    CHARGE = 64

    def __init__(self):
        self.model = Model()
        self.costs = [0] * 4


class Recent:
    CHARGE = 64

    def __init__(self):
        self.model = Model()
        self.ids = []

    def insert(self, new):
        self.ids[place_for_new(self.model, self.ids, 15, 0)] = new


class Steps:
    CHARGE = 96

    def __init__(self):
        self.model = Model()
        self.steps = []

    def insert(self, new):
        self.steps[place_for_new(self.model, self.steps, 15, 0)] = new


class Values:
    """What came anew in a column: the oldest makes room for the next."""

    def __init__(self, most):
        self.most, self.next, self.values = most, 0, []

    def put(self, value):
        self.values[self.next : self.next + 1] = [value]
        self.next = (self.next + 1) % self.most


class Integers:
    CHARGE = 128

    def __init__(self):
        self.source = Model()
        self.held = Values(8)
        self.last = self.misses = 0
        self.costs = [0, 0, 0]
        self.numbers = [None] * 3


class Identifiers:
    CHARGE = 256

    def __init__(self):
        self.source = Model()
        self.held = Values(12)


class Leaf:
    CHARGE = 36

    def __init__(self):
        self.next, self.next_leaf = [None], [None]
        self.trace, self.id, self.group = [None], [None], [None]
        self.parent = [None, None]
        self.shell = 0
        self.starts, self.ends = [None] * 5, [None] * 5


class Slot:
    CHARGE = 8

    def __init__(self):
        self.recent, self.integers, self.time = [None], [None], [None]


class Parameter:
    CHARGE = 8

    def __init__(self):
        self.integers, self.identifiers = [None], [None]


class Blocks:
    def __init__(self):
        self.latest = []
        self.newest = 0

    def rank(self, block):
        for at, (held, _) in enumerate(self.latest):
            if held == block:
                return at + 1
        return 0

    def put(self, rank, block, low):
        if rank > 0:
            del self.latest[rank - 1]
        else:
            self.newest = block
            del self.latest[31:]
        self.latest.insert(0, (block, low))


class Models:
    BUDGET = 160 * 1024
    LISTED = 8

    def __init__(self):
        self.left = self.BUDGET
        kinds = (Model, Guessed, Recent, Steps, Integers, Identifiers, Leaf, Slot, Parameter)
        self.shared = {kind: kind() for kind in kinds}
        self.leaves = [self.shared[Leaf]]
        self.templates, self.texts = [], []
        # Of the stream as a whole.
        self.counts, self.lens, self.far, self.nonce = [None], [None], [None], [None]
        self.flags, self.known, self.double = [None], [None], [None]
        self.first, self.first_leaf, self.key = [None], [None], [None]
        self.ids, self.shells, self.sources = [None] * 5, [None] * 4, [None] * 3
        self.block, self.new_block, self.in_block = [None] * 3, [None] * 3, [None] * 6
        self.blocks = [[Blocks(), Blocks()] for _ in range(3)]
        self.nonces = [[0] * 16 for _ in range(3)]

    def get(self, places, at, kind):
        if places[at] is None:
            if self.left < kind.CHARGE:
                return self.shared[kind]
            self.left -= kind.CHARGE
            places[at] = kind()
        return places[at]

    def leaf(self, number):
        missing = number + 1 - len(self.leaves)
        if missing > 0:
            if self.left < missing * Leaf.CHARGE:
                return self.leaves[0]
            self.left -= missing * Leaf.CHARGE
            self.leaves += [Leaf() for _ in range(missing)]
        return self.leaves[number]

    def several(self, table, number, count, kind):
        """An entry's several models; the shared one for all of them if there is no room."""
        if number < len(table) and table[number] is not None:
            held = table[number]
        else:
            missing = max(0, number + 1 - len(table))
            size = missing * self.LISTED + count * kind.CHARGE
            held = []
            if self.left >= size:
                self.left -= size
                table += [None] * missing
                held = table[number] = [kind() for _ in range(count)]
        return held if len(held) >= count else [self.shared[kind]] * count


class Reader:
    """The three streams of a message."""

    def __init__(self, symbols, bits, text):
        self.symbols, self.bits, self.text = symbols, bits, text
        self.at, self.bit, self.text_at = 16, 0, 0
        self.states = [int.from_bytes(symbols[4 * i : 4 * i + 4], "little") for i in range(4)]
        self.turn = 0

    def symbol(self, model):
        x = self.states[self.turn]
        target = x & 0x7FFF
        symbol = max(s for s in range(16) if model.c[s] <= target)
        x = model.frequency(symbol) * (x >> 15) + target - model.c[symbol]
        if x < 1 << 16:
            x = (x << 16) | int.from_bytes(self.symbols[self.at : self.at + 2], "little")
            self.at += 2
        self.states[self.turn] = x
        self.turn = (self.turn + 1) % 4
        model.learn(symbol)
        return symbol

    def raw(self, count):
        if self.bit + count > 8 * len(self.bits):
            raise Corrupt("bits")
        first, last = self.bit // 8, (self.bit + count + 7) // 8
        value = int.from_bytes(self.bits[first:last], "little") >> (self.bit % 8)
        self.bit += count
        return value & ((1 << count) - 1)

    def take(self, length):
        if self.text_at + length > len(self.text):
            raise Corrupt("text")
        self.text_at += length
        return self.text[self.text_at - length : self.text_at]

    def finish(self):
        """The hash that the symbols end in."""
        if any(x >> 16 != 1 for x in self.states) or self.at != len(self.symbols):
            raise Corrupt("the end of the symbols")
        if (self.bit + 7) // 8 != len(self.bits) or self.text_at != len(self.text):
            raise Corrupt("the end")
        return sum((x & 0xFFFF) << (16 * i) for i, x in enumerate(self.states))

    def magnitude(self, symbol, longest):
        """What is told by a symbol that names the lengths up to `longest[symbol]`, and by bits."""
        shortest = longest[symbol - 1] + 1 if symbol else 0
        length = shortest + self.raw((longest[symbol] - shortest).bit_length())
        if length > 64:
            raise Corrupt("a number's length")
        return (1 << (length - 1)) | self.raw(length - 1) if length else 0

    def number(self, model):
        return self.magnitude(self.symbol(model), NUMBERS)

    def signed(self, model):
        symbol = self.symbol(model)
        magnitude = self.magnitude(symbol % 8, DIFFERENCES)
        return (-magnitude if symbol >= 8 else magnitude) & M64
