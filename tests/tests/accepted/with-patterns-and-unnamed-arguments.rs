use otel_enhance::{enhanced_trace, testing};

struct Point {
    x: i32,
    y: i32,
}

#[enhanced_trace(name = "pattern", capture(x, z, first, whole))]
fn pattern(
    Point { x, y: z }: Point,
    (first, _): (u8, u8),
    _: &str,
    _unused: u8,
    mut whole: u8,
    &borrowed: &i32,
) -> i32 {
    whole += first;
    x + z + i32::from(whole) + borrowed
}

pub(crate) fn main() {
    let capture = testing::capture();
    assert_eq!(pattern(Point { x: 1, y: 2 }, (3, 4), "", 0, 5, &6), 17);
    capture
        .assert_span("pattern")
        .has("x", 1)
        .has("z", 2)
        .has("first", 3)
        .has("whole", 5);
}
