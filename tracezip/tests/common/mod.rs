//! Requests of every kind, made from a number.
#![allow(dead_code, reason = "each test file uses a part")]
#![allow(
    clippy::allow_attributes,
    reason = "not all of it is unused everywhere"
)]

/// A generator of numbers: SplitMix64.
#[derive(Debug, Clone)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub(crate) fn one_in(&mut self, bound: u64) -> bool {
        self.below(bound) == 0
    }
}

fn varint(mut value: u64, extra: usize, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    if extra > 0 {
        out.push(value as u8 | 0x80);
        out.extend(std::iter::repeat_n(0x80, extra - 1));
        out.push(0);
    } else {
        out.push(value as u8);
    }
}

pub(crate) fn len_field(number: u64, contents: &[u8], out: &mut Vec<u8>) {
    varint(number << 3 | 2, 0, out);
    varint(contents.len() as u64, 0, out);
    out.extend_from_slice(contents);
}

pub(crate) fn fixed64(number: u64, value: u64, out: &mut Vec<u8>) {
    varint(number << 3 | 1, 0, out);
    out.extend_from_slice(&value.to_le_bytes());
}

pub(crate) fn number(number: u64, value: u64, out: &mut Vec<u8>) {
    varint(number << 3, 0, out);
    varint(value, 0, out);
}

/// An `AnyValue`, of every kind that there is.
fn any_value(random: &mut Random, depth: u32) -> Vec<u8> {
    let mut out = Vec::new();
    match random.below(12) {
        0 => number(2, random.below(2), &mut out),
        1 => {
            let shift = random.below(64);
            number(3, random.next() >> shift, &mut out);
        }
        2 => fixed64(
            4,
            (random.below(100_000) as f64 / 100.0).to_bits(),
            &mut out,
        ),
        3 => fixed64(4, random.next(), &mut out),
        4 if depth < 40 => {
            let mut array = Vec::new();
            for _ in 0..random.below(4) {
                len_field(1, &any_value(random, depth + 1), &mut array);
            }
            len_field(5, &array, &mut out);
        }
        5 if depth < 40 => {
            let mut pairs = Vec::new();
            for _ in 0..random.below(3) {
                len_field(1, &attribute(random, depth + 1), &mut pairs);
            }
            len_field(6, &pairs, &mut out);
        }
        6 => len_field(7, &random.next().to_le_bytes(), &mut out),
        7 => {}
        8 => {
            let id = u128::from(random.next()) << 64 | u128::from(random.next());
            let text = format!("/user/{id:032x}/orders/{}", random.below(9_999));
            len_field(1, text.as_bytes(), &mut out);
        }
        9 => len_field(
            1,
            format!("item {:05} \0 x", random.below(7)).as_bytes(),
            &mut out,
        ),
        _ => len_field(1, format!("value-{}", random.below(5)).as_bytes(), &mut out),
    }
    out
}

fn attribute(random: &mut Random, depth: u32) -> Vec<u8> {
    let mut out = Vec::new();
    len_field(1, format!("key.{}", random.below(8)).as_bytes(), &mut out);
    if !random.one_in(30) {
        let value = any_value(random, depth);
        len_field(2, &value, &mut out);
    }
    out
}

fn span(random: &mut Random, known: &mut Vec<u64>) -> Vec<u8> {
    let mut out = Vec::new();
    let trace = random.below(5) + 1;
    if !random.one_in(40) {
        let mut id = [7; 16];
        id[..8].copy_from_slice(&trace.to_le_bytes());
        len_field(1, &id[..if random.one_in(50) { 9 } else { 16 }], &mut out);
    }
    let id = if random.one_in(3) && !known.is_empty() {
        known[random.below(known.len() as u64) as usize]
    } else {
        random.next()
    };
    known.push(id);
    if !random.one_in(40) {
        len_field(2, &id.to_le_bytes(), &mut out);
    }
    if random.one_in(2) {
        let parent = if random.one_in(3) {
            random.next()
        } else {
            known[random.below(known.len() as u64) as usize]
        };
        known.push(parent);
        len_field(4, &parent.to_le_bytes(), &mut out);
    }
    len_field(5, format!("GET /{}", random.below(4)).as_bytes(), &mut out);
    number(6, random.below(6), &mut out);
    let unit = [1, 1, 100, 1_000, 1_000_000][random.below(5) as usize];
    let start = 1_795_475_076_000_000_000 + random.below(1 << 34) / unit * unit;
    if !random.one_in(50) {
        fixed64(7, start, &mut out);
        fixed64(8, start.wrapping_add(random.below(1 << 28)), &mut out);
    }
    for _ in 0..random.below(5) {
        len_field(9, &attribute(random, 0), &mut out);
    }
    if random.one_in(4) {
        number(10, 0, &mut out);
    }
    for _ in 0..random.below(3) {
        let mut event = Vec::new();
        fixed64(1, start + random.below(1 << 20), &mut event);
        len_field(2, b"exception", &mut event);
        len_field(3, &attribute(random, 0), &mut event);
        len_field(11, &event, &mut out);
    }
    if random.one_in(5) {
        let mut link = Vec::new();
        len_field(1, &[3; 16], &mut link);
        len_field(2, &random.next().to_le_bytes(), &mut link);
        len_field(13, &link, &mut out);
    }
    if random.one_in(3) {
        let mut status = Vec::new();
        number(3, random.below(3), &mut status);
        len_field(15, &status, &mut out);
    }
    if random.one_in(10) {
        // A length in more bytes than it needs.
        out.push(15 << 3 | 2);
        varint(0, random.below(3) as usize + 1, &mut out);
    }
    if random.one_in(10) {
        number(99, random.next(), &mut out);
    }
    if random.one_in(10) {
        varint(16 << 3 | 5, 0, &mut out);
        out.extend_from_slice(&[1, 1, 0, 0]);
    }
    out
}

/// A request, well formed for the most part.
pub(crate) fn request(seed: u64) -> Vec<u8> {
    let random = &mut Random(seed);
    let (mut out, mut known) = (Vec::new(), Vec::new());
    for _ in 0..random.below(3) + 1 {
        let mut resource = Vec::new();
        if !random.one_in(6) {
            len_field(1, b"\x0a\x04\x0a\x02ab", &mut resource);
        }
        for scope in 0..random.below(4) {
            let mut scope_spans = Vec::new();
            if !random.one_in(6) {
                len_field(1, &[0x0a, 1, b'a' + scope as u8], &mut scope_spans);
            }
            for _ in 0..random.below(12) {
                len_field(2, &span(random, &mut known), &mut scope_spans);
            }
            if random.one_in(6) {
                len_field(3, b"https://schema", &mut scope_spans);
            }
            if random.one_in(12) {
                len_field(2, &span(random, &mut known), &mut scope_spans);
            }
            len_field(2, &scope_spans, &mut resource);
        }
        if random.one_in(6) {
            len_field(3, b"https://schema", &mut resource);
        }
        len_field(1, &resource, &mut out);
    }
    if random.one_in(8) {
        number(7, 5, &mut out);
    }
    out
}

/// Changes a few bytes, or cuts.
pub(crate) fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..random.below(4) + 1 {
        if bytes.is_empty() {
            return;
        }
        let at = random.below(bytes.len() as u64) as usize;
        match random.below(4) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = random.next() as u8,
            2 => {
                bytes.remove(at);
            }
            _ => bytes.insert(at, random.next() as u8),
        }
    }
    if random.one_in(8) {
        bytes.truncate(random.below(bytes.len() as u64 + 1) as usize);
    }
}
