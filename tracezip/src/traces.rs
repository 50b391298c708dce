//! The traces of a message, as far as its spans told: what ids, times and values can be guessed from.

use core::hint::select_unpredictable;

/// A span, known or only named by its children.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Relative {
    /// Whether the span itself was coded; else `start` says nothing.
    pub(crate) known: bool,
    /// Whether a child of it was coded; else what follows says nothing.
    pub(crate) has_children: bool,
    pub(crate) start: u64,
    pub(crate) children_start: u64,
    pub(crate) children_end: u64,
}

/// A relative's id, and where what is known about it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Named {
    pub(crate) id: u64,
    pub(crate) at: u32,
}

/// How far back in a list an id is.
#[inline]
pub(crate) fn rank(list: &[Named], id: u64) -> Option<usize> {
    list.iter().rev().position(|held| held.id == id)
}

impl Relative {
    pub(crate) fn add_child(&mut self, start: u64, end: u64) {
        if !self.has_children {
            self.has_children = true;
            self.children_start = start;
            self.children_end = end;
        }
        self.children_start = self.children_start.min(start);
        self.children_end = self.children_end.max(end);
    }
}

/// Values of a trace that may come again.
pub(crate) const MEMORY: usize = 6;
pub(crate) const IDENTIFIERS: usize = 3;

#[derive(Debug, Default)]
pub(crate) struct Trace {
    pub(crate) id: u128,
    /// The leaf of its last span.
    pub(crate) leaf: u16,
    /// The end of that span.
    pub(crate) end: u64,
    /// The block of the counter that its latest new span id came from.
    pub(crate) block: u64,
    /// Named by children and not seen yet; the latest last.
    pub(crate) pending: Vec<Named>,
    pub(crate) seen: Vec<Named>,
    /// The latest first.
    pub(crate) integers: [u64; MEMORY],
    pub(crate) identifiers: [u128; IDENTIFIERS],
}

/// Traces, and relatives of all, that room is kept for from message to message.
const MOST_KEPT: usize = 16 * 1024;

/// Relatives of a kind that a trace remembers.
const MOST_RELATIVES: usize = 128;

/// Adds to a list, which loses its oldest if there are too many: these are `free` then.
#[inline]
pub(crate) fn push(list: &mut Vec<Named>, named: Named, free: &mut Vec<u32>) {
    if list.len() == MOST_RELATIVES {
        free.extend(list.drain(..MOST_RELATIVES / 2).map(|named| named.at));
    }
    list.push(named);
}

/// What is known about the relatives of all traces. The first stands for those that are not there.
#[derive(Debug, Default)]
pub(crate) struct Relatives {
    list: Vec<Relative>,
    pub(crate) free: Vec<u32>,
}

impl Relatives {
    fn reset(&mut self) {
        if self.list.len() > MOST_KEPT {
            *self = Self::default();
        }
        self.free.clear();
        self.list.clear();
        self.list.push(Relative::default());
    }

    /// One of which nothing is known.
    #[inline]
    pub(crate) fn add(&mut self) -> u32 {
        if let Some(at) = self.free.pop() {
            self.list[at as usize] = Relative::default();
            return at;
        }
        self.list.push(Relative::default());
        (self.list.len() - 1) as u32
    }

    #[inline]
    pub(crate) fn at(&self, at: u32) -> &Relative {
        &self.list[at as usize]
    }

    #[inline]
    pub(crate) fn get(&mut self, at: u32) -> &mut Relative {
        &mut self.list[at as usize]
    }
}

impl Trace {
    fn reset(&mut self, id: u128) {
        self.id = id;
        self.leaf = 0;
        self.block = u64::MAX;
        self.pending.clear();
        self.seen.clear();
        self.integers = [0; MEMORY];
        self.identifiers = [0; IDENTIFIERS];
    }
}

/// Puts a value first.
pub(crate) fn remember<T: Copy + PartialEq, const N: usize>(memory: &mut [T; N], value: T) {
    let at = memory.iter().position(|held| *held == value);
    put_first(memory, at.unwrap_or(N - 1), value);
}

/// Likewise, of numbers, where those are that equal it.
#[inline]
pub(crate) fn remember_at<const N: usize>(memory: &mut [u64; N], equal: u32, value: u64) {
    let at = (equal | (1 << (N - 1))).trailing_zeros() as usize;
    put_first(memory, at, value);
}

/// Puts a value first, instead of that at a place.
#[inline]
fn put_first<T: Copy, const N: usize>(memory: &mut [T; N], at: usize, value: T) {
    let old = *memory;
    for index in 1..N {
        memory[index] = select_unpredictable(index <= at, old[index - 1], old[index]);
    }
    memory[0] = value;
}

/// Traces by the order in which they came up last. The first is for spans without a trace id.
#[derive(Debug, Default)]
pub(crate) struct Traces {
    list: Vec<Trace>,
    used: usize,
    /// The latest last. One that was far away may be in it twice.
    order: Vec<u32>,
    /// The last of them; the first trace if there is none.
    latest: usize,
    pub(crate) relatives: Relatives,
}

/// How far back a trace is looked for.
pub(crate) const FARTHEST: usize = 64;

impl Traces {
    pub(crate) fn reset(&mut self) {
        self.used = 0;
        self.list.truncate(MOST_KEPT);
        self.list.shrink_to(MOST_KEPT);
        self.relatives.reset();
        self.order.clear();
        self.add(0);
        self.order.clear();
        self.latest = 0;
    }

    pub(crate) fn get(&mut self, index: usize) -> &mut Trace {
        &mut self.list[index]
    }

    pub(crate) fn at(&self, index: usize) -> &Trace {
        &self.list[index]
    }

    /// A trace and all relatives.
    pub(crate) fn parts(&mut self, index: usize) -> (&mut Trace, &mut Relatives) {
        (&mut self.list[index], &mut self.relatives)
    }

    pub(crate) fn len(&self) -> usize {
        self.used
    }

    pub(crate) fn add(&mut self, id: u128) -> usize {
        if self.used == self.list.len() {
            self.list.push(Trace::default());
        }
        self.list[self.used].reset(id);
        self.order.push(self.used as u32);
        self.latest = self.used;
        self.used += 1;
        self.latest
    }

    /// Whether the trace that came up last has this id.
    #[inline]
    pub(crate) fn is_latest(&self, id: u128) -> bool {
        self.latest > 0 && self.list[self.latest].id == id
    }

    /// How many other traces came up since the trace did.
    #[inline]
    pub(crate) fn rank(&self, index: usize) -> Option<usize> {
        self.order
            .iter()
            .rev()
            .take(FARTHEST)
            .position(|&at| at as usize == index)
    }

    /// The trace of a rank, which it now loses.
    pub(crate) fn take_rank(&mut self, rank: usize) -> Option<usize> {
        if rank > 0 {
            let at = self.order.len().checked_sub(rank + 1)?;
            self.order[at..].rotate_left(1);
            self.latest = *self.order.last()? as usize;
        }
        (self.latest > 0).then_some(self.latest)
    }

    /// A trace comes up that was far away.
    pub(crate) fn touch(&mut self, index: usize) {
        self.order.push(index as u32);
        self.latest = index;
    }
}
