//! Figures as attributes, in rows: those that stand next to each other, whose keys are always the same.

/// The keys of one row.
#[derive(Debug)]
pub(crate) struct Row<const N: usize> {
    /// Which of the [`ROWS`] it is.
    pub(crate) number: usize,
    pub(crate) keys: [&'static str; N],
}

/// How many rows there are.
pub(crate) const ROWS: usize = 5;

/// Takes rows one after the other.
pub(crate) trait Rows {
    fn row<const N: usize>(&mut self, row: &'static Row<N>, values: [i64; N]);
}

pub(super) static TOTAL: Row<6> = Row {
    number: 0,
    keys: [
        "otel_enhance.cpu.time",
        "otel_enhance.blocked.time",
        "otel_enhance.run_queue.time",
        "otel_enhance.context_switches.voluntary",
        "otel_enhance.context_switches.involuntary",
        "otel_enhance.page_faults",
    ],
};

pub(super) static OWN: Row<6> = Row {
    number: 1,
    keys: [
        "otel_enhance.self.cpu.time",
        "otel_enhance.self.blocked.time",
        "otel_enhance.self.run_queue.time",
        "otel_enhance.self.context_switches.voluntary",
        "otel_enhance.self.context_switches.involuntary",
        "otel_enhance.self.page_faults",
    ],
};

/// Where waits of both kinds are one.
pub(super) static UNSPLIT_TOTAL: Row<5> = Row {
    number: 2,
    keys: [
        TOTAL.keys[0],
        "otel_enhance.waiting.time",
        TOTAL.keys[3],
        TOTAL.keys[4],
        TOTAL.keys[5],
    ],
};

pub(super) static UNSPLIT_OWN: Row<5> = Row {
    number: 3,
    keys: [
        OWN.keys[0],
        "otel_enhance.self.waiting.time",
        OWN.keys[3],
        OWN.keys[4],
        OWN.keys[5],
    ],
};

/// Of one that was active several times.
pub(super) static POLLS: Row<2> = Row {
    number: 4,
    keys: ["otel_enhance.polls", "otel_enhance.between_polls.time"],
};

const _: () = assert!(POLLS.number + 1 == ROWS);
