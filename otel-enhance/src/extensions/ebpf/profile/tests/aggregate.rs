use super::*;

fn ids(number: u32) -> Ids {
    let mut span = [0; 8];
    span[..4].copy_from_slice(&number.to_be_bytes());
    Ids {
        trace: [9; 16],
        span,
    }
}

fn small() -> Aggregate {
    Aggregate::new(Limits {
        stacks: 8,
        addresses: 64,
        spans: 8,
        names: 2,
        threads: 2,
        rows: 16,
    })
}

fn ticks(aggregate: &Aggregate) -> u64 {
    aggregate.rows.values().map(|sums| sums.all.ticks).sum()
}

/// By what the span is called.
fn by_name(aggregate: &Aggregate) -> HashMap<Option<&str>, u64> {
    let mut sums = HashMap::new();
    for (row, weight) in aggregate.totals() {
        let name = aggregate
            .span_of(row.span)
            .and_then(|span| span.name)
            .map(|name| &*aggregate.names[name as usize]);
        *sums.entry(name).or_default() += weight.ticks;
    }
    sums
}

#[test]
fn equal_samples_are_one_row_that_counts() {
    let mut all = small();
    for _ in 0..5 {
        all.add(Some(ids(1)), 7, &[10, 20, 30], Weight::TICK);
    }
    assert!(!all.add(Some(ids(1)), 7, &[10, 20, 30], Weight::sleep(50)));
    assert_eq!(all.rows.len(), 1);
    let weight = all.totals()[0].1;
    assert_eq!((weight.ticks, weight.sleeps, weight.slept_ns), (5, 1, 50));
    assert_eq!(all.bounds, Bounds::default());
}

#[test]
fn stacks_beyond_the_bound_are_counted_together_and_none_is_lost() {
    let mut all = small();
    for stack in 0..100_u64 {
        all.add(None, 7, &[stack + 1_000, 5], Weight::TICK);
    }
    assert_eq!(ticks(&all), 100);
    // One more than the bound: that of the others.
    assert!(all.stacks.len() <= 9, "{}", all.stacks.len());
    assert_eq!(all.bounds.stacks, 92);
    let long: Vec<u64> = (0..65).map(|address| address + 5_000).collect();
    all.add(None, 7, &long, Weight::TICK);
    assert_eq!(all.bounds.stacks, 93);
}

#[test]
fn spans_beyond_the_bound_keep_their_name_and_lose_their_ids() {
    let mut all = small();
    for number in 0..100 {
        all.add(Some(ids(number)), 7, &[1, 2], Weight::TICK);
        assert!(all.name(
            ids(number).span,
            if number % 2 == 0 { "even" } else { "odd" }
        ));
        assert!(all.span_numbers.len() <= 8 && all.spans.len() <= 12);
    }
    assert_eq!(ticks(&all), 100);
    let sums = by_name(&all);
    assert_eq!((sums[&Some("even")], sums[&Some("odd")]), (50, 50));
    assert!(all.bounds.spans > 80, "{:?}", all.bounds);
    // The last ones still have theirs.
    assert!(all.name(ids(99).span, "odd"));
    assert!(!all.name(ids(0).span, "even"));
}

#[test]
fn spans_that_have_not_ended_keep_their_ids_longer_than_those_that_have() {
    let mut all = small();
    all.add(Some(ids(1_000)), 7, &[1], Weight::TICK);
    for number in 0..7 {
        all.add(Some(ids(number)), 7, &[1], Weight::TICK);
        all.name(ids(number).span, "short");
    }
    all.add(Some(ids(50)), 7, &[1], Weight::TICK);
    assert!(all.name(ids(1_000).span, "long"));
}

#[test]
fn names_beyond_the_bound_are_one_name() {
    let mut all = small();
    for number in 0..6 {
        all.add(Some(ids(number)), 7, &[1], Weight::TICK);
        all.name(ids(number).span, &format!("GET /orders/{number}"));
    }
    assert_eq!(all.names.len(), 3);
    assert_eq!(by_name(&all)[&Some("[other spans]")], 4);
}

#[test]
fn rows_and_threads_beyond_the_bound_are_counted_and_none_is_lost() {
    let mut all = small();
    for number in 0..1_000_u32 {
        let stack = [u64::from(number % 6) + 100];
        all.add(Some(ids(number % 7)), number, &stack, Weight::TICK);
    }
    assert_eq!(ticks(&all), 1_000);
    // Those of the last resort: one for each name there is, and one for none.
    assert!(all.rows.len() <= 16 + 4, "{}", all.rows.len());
    assert_eq!(all.threads.len(), 2);
    assert!(all.bounds.threads > 900);
}

#[test]
fn news_are_told_once_also_where_spans_gave_their_ids_up_meanwhile() {
    let mut all = small();
    let mut told = 0;
    for number in 0..100 {
        all.add(Some(ids(number)), 7, &[1, 2], Weight::TICK);
        if number % 9 == 0 {
            told += all.news().iter().map(|(_, more)| more.ticks).sum::<u64>();
        }
    }
    told += all.news().iter().map(|(_, more)| more.ticks).sum::<u64>();
    assert_eq!(told, 100);
    assert!(all.news().is_empty());
}
