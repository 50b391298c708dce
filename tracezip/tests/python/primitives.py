"""Published primitives that the format builds on: XXH3-64, Speck64/128, AES-128. Slow and plain."""

M64 = (1 << 64) - 1
M32 = (1 << 32) - 1

# --- XXH3-64, seed 0 ---
SECRET = bytes.fromhex(
    "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671fcb79e64eccc0e578825ad07dccff7221b8084674f743248e"
    "e03590e6813a264c3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8a8fa763fe39c343ff9dcbbc7c70b4f1d8a"
    "51e04bcdb45931c89f7ec9d9787364eac5ac8334d3ebc3c581a0fffa1363eb170ddd51b7f0da49d316552629d4689e2b16be587d47a1fc8f"
    "f8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e"
)
P32_1, P32_2, P32_3 = 0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D
P64_1, P64_2, P64_3 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9
P64_4, P64_5 = 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5
MX1, MX2 = 0x165667919E3779F9, 0x9FB21C651E98DF25


def le(data, at, size):
    return int.from_bytes(data[at : at + size], "little")


def fold(a, b):
    product = a * b
    return (product & M64) ^ (product >> 64)


def avalanche(h):
    h ^= h >> 37
    h = h * MX1 & M64
    return h ^ (h >> 32)


def avalanche64(h):
    h ^= h >> 33
    h = h * P64_2 & M64
    h ^= h >> 29
    h = h * P64_3 & M64
    return h ^ (h >> 32)


def rotate(value, by, bits=64):
    return ((value << by) | (value >> (bits - by))) & ((1 << bits) - 1)


def mix16(data, at, secret):
    return fold(le(data, at, 8) ^ le(SECRET, secret, 8), le(data, at + 8, 8) ^ le(SECRET, secret + 8, 8))


def xxh3(data):
    n = len(data)
    if n == 0:
        return avalanche64(le(SECRET, 56, 8) ^ le(SECRET, 64, 8))
    if n < 4:
        combined = (data[0] << 16) | (data[n >> 1] << 24) | data[-1] | (n << 8)
        return avalanche64(combined ^ (le(SECRET, 0, 4) ^ le(SECRET, 4, 4)))
    if n <= 8:
        flip = le(SECRET, 8, 8) ^ le(SECRET, 16, 8)
        h = (le(data, n - 4, 4) + (le(data, 0, 4) << 32)) ^ flip
        h ^= rotate(h, 49) ^ rotate(h, 24)
        h = h * MX2 & M64
        h ^= (h >> 35) + n
        h = h * MX2 & M64
        return h ^ (h >> 28)
    if n <= 16:
        low = le(data, 0, 8) ^ (le(SECRET, 24, 8) ^ le(SECRET, 32, 8))
        high = le(data, n - 8, 8) ^ (le(SECRET, 40, 8) ^ le(SECRET, 48, 8))
        swapped = int.from_bytes(low.to_bytes(8, "little"), "big")
        return avalanche((n + swapped + high + fold(low, high)) & M64)
    if n <= 128:
        acc = n * P64_1 & M64
        for i in range((n - 1) // 32, -1, -1):
            acc += mix16(data, 16 * i, 32 * i) + mix16(data, n - 16 * (i + 1), 32 * i + 16)
        return avalanche(acc & M64)
    if n <= 240:
        acc = n * P64_1 & M64
        for i in range(8):
            acc += mix16(data, 16 * i, 16 * i)
        acc = avalanche(acc & M64)
        for i in range(8, n // 16):
            acc += mix16(data, 16 * i, 16 * (i - 8) + 3)
        acc += mix16(data, n - 16, 136 - 17)
        return avalanche(acc & M64)
    acc = [P32_3, P64_1, P64_2, P64_3, P64_4, P32_2, P64_5, P32_1]

    def stripe(at, secret):
        for i in range(8):
            value = le(data, at + 8 * i, 8)
            keyed = value ^ le(SECRET, secret + 8 * i, 8)
            acc[i ^ 1] = (acc[i ^ 1] + value) & M64
            acc[i] = (acc[i] + (keyed & M32) * (keyed >> 32)) & M64

    per_block = (len(SECRET) - 64) // 8
    block = 64 * per_block
    for start in range(0, n - 1 - (n - 1) % block, block):
        for i in range(per_block):
            stripe(start + 64 * i, 8 * i)
        for i in range(8):
            h = acc[i] ^ (acc[i] >> 47) ^ le(SECRET, len(SECRET) - 64 + 8 * i, 8)
            acc[i] = h * P32_1 & M64
    start = (n - 1) // block * block
    for i in range((n - 1 - start) // 64):
        stripe(start + 64 * i, 8 * i)
    stripe(n - 64, len(SECRET) - 64 - 7)
    h = n * P64_1 & M64
    for i in range(4):
        h += fold(acc[2 * i] ^ le(SECRET, 11 + 16 * i, 8), acc[2 * i + 1] ^ le(SECRET, 19 + 16 * i, 8))
    return avalanche(h & M64)


# --- Speck64/128 ---
def speck_encrypt(key, block):
    k, l0, l1, l2 = (le(key, 4 * i, 4) for i in range(4))
    x, y = block >> 32, block & M32
    ls = [l0, l1, l2]
    for i in range(27):
        x = ((rotate(x, 24, 32) + y) & M32) ^ k
        y = rotate(y, 3, 32) ^ x
        l = ((k + rotate(ls.pop(0), 24, 32)) & M32) ^ i
        ls.append(l)
        k = rotate(k, 3, 32) ^ l
    return (x << 32) | y


# --- AES-128 ---
def xtime(a):
    a <<= 1
    return (a ^ 0x11B) if a & 0x100 else a


def make_sbox():
    sbox, p, q = [0x63] * 256, 1, 1
    while True:
        p ^= xtime(p)
        q ^= q << 1
        q ^= q << 2
        q ^= q << 4
        q &= 0xFF
        if q & 0x80:
            q ^= 0x09
        sbox[p] = q ^ rotate(q, 1, 8) ^ rotate(q, 2, 8) ^ rotate(q, 3, 8) ^ rotate(q, 4, 8) ^ 0x63
        if p == 1:
            return sbox


SBOX = make_sbox()


def aes_encrypt(key, block):
    words = [list(key[4 * i : 4 * i + 4]) for i in range(4)]
    rcon = 1
    for i in range(4, 44):
        word = list(words[i - 1])
        if i % 4 == 0:
            word = [SBOX[b] for b in word[1:] + word[:1]]
            word[0] ^= rcon
            rcon = xtime(rcon)
        words.append([a ^ b for a, b in zip(words[i - 4], word)])
    keys = [sum(words[4 * r : 4 * r + 4], []) for r in range(11)]
    state = [a ^ b for a, b in zip(block, keys[0])]
    for r in range(1, 11):
        state = [SBOX[b] for b in state]
        state = [state[(i + 4 * (i % 4)) % 16] for i in range(16)]
        if r < 10:
            mixed = []
            for column in range(4):
                a = state[4 * column : 4 * column + 4]
                total = a[0] ^ a[1] ^ a[2] ^ a[3]
                mixed += [a[i] ^ total ^ xtime(a[i] ^ a[(i + 1) % 4]) for i in range(4)]
            state = mixed
        state = [a ^ b for a, b in zip(state, keys[r])]
    return bytes(state)


def self_test():
    assert xxh3(b"") == 0x2D06800538D394C2
    assert aes_encrypt(bytes(range(16)), bytes.fromhex("00112233445566778899aabbccddeeff")).hex() == (
        "69c4e0d86a7b0430d8cdb78070b4c55a"
    )
    words = [0x03020100, 0x0B0A0908, 0x13121110, 0x1B1A1918]
    key = b"".join(word.to_bytes(4, "little") for word in words)
    assert speck_encrypt(key, 0x3B7265747475432D) == 0x8C6FA548454E028B
