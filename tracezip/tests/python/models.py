"""What a stream learns, and the symbols, bits and text that it is learnt from. See FORMAT.md, "Symbols, bits, text"."""

from primitives import M64

RATES = [1] + [2] * 2 + [3] * 4 + [4] * 8 + [5] * 16 + [6]


class Corrupt(Exception):
    pass


def bits_of(value):
    return value.bit_length()


def cost(value):
    """Sixteen times the bits of a difference's magnitude; a difference is modulo 2^64."""
    return 16 * bits_of(min(value, (1 << 64) - value))


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


class Number:
    CHARGE = 96

    def __init__(self):
        self.high = Model()
        self.low = [None] * 16
        self.sign = [None]


class Recent:
    CHARGE = 64

    def __init__(self):
        self.model = Model()
        self.ids = []

    def insert(self, new):
        self.ids[place_for_new(self.model, self.ids, 15, 0)] = new


class Integers:
    CHARGE = 160

    def __init__(self):
        self.source = Model()
        self.values = []
        self.last = 0
        self.costs = [0, 0, 0]
        self.numbers = [None] * 3


class Identifiers:
    CHARGE = 192

    def __init__(self):
        self.source = Model()
        self.values = []


class Leaf:
    CHARGE = 136

    def __init__(self):
        self.next, self.trace, self.id, self.group = [None], [None], [None], [None]
        self.parent = [None, None]
        self.shell = 0
        self.starts, self.ends = [None] * 5, [None] * 5
        self.start_costs = [[0] * 4 for _ in range(5)]
        self.end_costs = [[0] * 3 for _ in range(5)]


class Slot:
    CHARGE = 20

    def __init__(self):
        self.recent, self.integers, self.number = [None], [None], [None]
        self.costs = [0, 0, 0]


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
        self.shared = {kind: kind() for kind in (Model, Number, Recent, Integers, Identifiers, Leaf, Slot, Parameter)}
        self.leaves = [self.shared[Leaf]]
        self.templates, self.texts = [], []
        # Of the stream as a whole.
        self.counts, self.lens, self.far, self.nonce = [None], [None], [None], [None]
        self.flags, self.known, self.double = [None], [None], [None]
        self.first_leaf, self.key = [None], [None]
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
        self.states = [int.from_bytes(symbols[8 * i : 8 * i + 8], "little") for i in range(2)]

    def symbol(self, model):
        x, other = self.states
        target = x & 0x7FFF
        symbol = max(s for s in range(16) if model.c[s] <= target)
        x = model.frequency(symbol) * (x >> 15) + target - model.c[symbol]
        if x < 1 << 32:
            x = (x << 32) | int.from_bytes(self.symbols[self.at : self.at + 4], "little")
            self.at += 4
        self.states = [other, x]
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
        low, high = self.states
        if low >> 32 != 1 or high >> 32 != 1 or self.at != len(self.symbols):
            raise Corrupt("the end of the symbols")
        if (self.bit + 7) // 8 != len(self.bits) or self.text_at != len(self.text):
            raise Corrupt("the end")
        return (low & 0xFFFFFFFF) | ((high & 0xFFFFFFFF) << 32)

    def number(self, models, number):
        high = self.symbol(number.high)
        token = 16 * high + self.symbol(models.get(number.low, high, Model))
        if token < 16:
            return token
        rest = (token - 16) // 4 + 2
        return ((4 | (token & 3)) << rest) | self.raw(rest)

    def signed(self, models, number):
        magnitude = self.number(models, number)
        if magnitude and self.symbol(models.get(number.sign, 0, Model)) == 1:
            return -magnitude & M64
        return magnitude
