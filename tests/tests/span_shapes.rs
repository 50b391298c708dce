//! `#[enhanced_trace]` on every shape of function.
#![expect(clippy::panic, reason = "a test that cannot go on has failed")]

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;

use async_trait::async_trait;
use otel_enhance::{enhanced_trace, testing};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

struct Shop<T> {
    items: Vec<T>,
}

trait Stock {
    fn count(&self) -> usize;

    #[enhanced_trace]
    fn provided(&self) -> usize {
        self.count() + 1
    }
}

impl<T> Stock for Shop<T> {
    #[enhanced_trace]
    fn count(&self) -> usize {
        self.items.len()
    }
}

impl<T: Clone + std::fmt::Debug> Shop<T> {
    #[enhanced_trace]
    fn new(items: Vec<T>) -> Self {
        Self { items }
    }

    #[enhanced_trace(err)]
    fn first_mut(&mut self) -> Result<&mut T, std::fmt::Error> {
        self.items.first_mut().ok_or(std::fmt::Error)
    }

    #[enhanced_trace]
    fn longest<'a>(&'a self, other: &'a [T]) -> &'a [T] {
        if other.len() > self.items.len() {
            other
        } else {
            &self.items
        }
    }

    #[enhanced_trace]
    fn iterate(&self) -> impl Iterator<Item = &T> {
        self.items.iter()
    }

    #[enhanced_trace(ret)]
    fn into_count(mut self) -> usize {
        self.items.pop();
        self.items.len()
    }

    #[enhanced_trace]
    async fn later(&self) -> T {
        tokio::task::yield_now().await;
        self.items[0].clone()
    }
}

#[enhanced_trace]
fn constant<const N: usize, T>(value: [T; N]) -> usize
where
    T: Copy,
{
    value.len()
}

#[enhanced_trace]
fn implied(values: impl Iterator<Item = u8>) -> usize {
    values.count()
}

#[enhanced_trace]
unsafe fn dangerous(pointer: *const u8) -> u8 {
    // SAFETY: the test passes a valid pointer.
    #[expect(unsafe_code, reason = "the shape under test")]
    unsafe {
        *pointer
    }
}

#[enhanced_trace]
extern "C" fn foreign(x: i32) -> i32 {
    x + 1
}

#[enhanced_trace(err, capture(text))]
fn early(text: &str) -> Result<u32, BoxError> {
    if text.is_empty() {
        return Ok(0);
    }
    let number: u32 = text.parse()?;
    Ok(number)
}

#[enhanced_trace(name = "fibonacci")]
fn fibonacci(n: u32) -> u32 {
    if n < 2 {
        n
    } else {
        fibonacci(n - 1) + fibonacci(n - 2)
    }
}

#[enhanced_trace]
fn never(message: &str) -> ! {
    panic!("{message}")
}

#[enhanced_trace(err)]
async fn parse(text: String) -> Result<u32, BoxError> {
    if text.is_empty() {
        return Ok(0);
    }
    tokio::task::yield_now().await;
    Ok(text.parse::<u32>()?)
}

#[enhanced_trace]
async fn unit_and_patterns((a, mut b): (u8, u8), _: u8, [c, ..]: [u8; 3]) {
    b += 1;
    assert_eq!(a + b + c, 7);
    if a == 1 {
        return;
    }
    unreachable!()
}

#[enhanced_trace]
async fn async_implied(values: impl IntoIterator<Item = u8>) -> impl Iterator<Item = u8> {
    tokio::task::yield_now().await;
    values.into_iter().collect::<Vec<_>>().into_iter().rev()
}

#[enhanced_trace]
fn returns_future(x: u32) -> impl Future<Output = u32> {
    async move {
        tokio::task::yield_now().await;
        x + 1
    }
}

#[enhanced_trace(err)]
fn returns_boxed(x: u32) -> Pin<Box<dyn Future<Output = Result<u32, BoxError>> + Send>> {
    Box::pin(async move { if x == 0 { Err("zero".into()) } else { Ok(x) } })
}

#[enhanced_trace(err)]
fn returns_one_of_two(x: u32) -> Pin<Box<dyn Future<Output = Result<u32, BoxError>> + Send>> {
    if x == 0 {
        return Box::pin(std::future::ready(Err("zero".into())));
    }
    Box::pin(async move { Ok(x) })
}

#[async_trait]
trait Fetch: Send + Sync {
    async fn fetch(&self, id: u32) -> Result<String, BoxError>;

    #[enhanced_trace(name = "Fetch::twice")]
    async fn twice(&self, id: u32) -> Result<String, BoxError> {
        self.fetch(id).await?;
        self.fetch(id).await
    }
}

struct Client {
    base: String,
}

#[async_trait]
impl Fetch for Client {
    #[enhanced_trace(err, capture(id), fields(base = self.base))]
    async fn fetch(&self, id: u32) -> Result<String, BoxError> {
        tokio::task::yield_now().await;
        if id == 0 {
            Err("no such id")?;
        }
        Ok(format!("{}/{id}", self.base))
    }
}

macro_rules! make {
    ($name:ident, $ty:ty) => {
        /// Made by a macro.
        #[enhanced_trace]
        #[inline]
        #[must_use]
        pub fn $name(x: $ty) -> $ty {
            x
        }
    };
}

make!(made, u64);

mod inner {
    use super::enhanced_trace;

    #[enhanced_trace]
    pub(super) fn nested() {
        #[enhanced_trace]
        fn deeper() {}
        deeper();
    }
}

#[test]
fn sync_functions_of_every_shape_record_their_paths() {
    let capture = testing::capture();
    let mut shop = Shop::new(vec![1, 2, 3]);
    assert_eq!(shop.provided(), 4);
    assert_eq!(shop.first_mut(), Ok(&mut 1));
    assert_eq!(shop.longest(&[1]), [1, 2, 3]);
    assert_eq!(shop.iterate().count(), 3);
    assert_eq!(shop.into_count(), 2);
    assert_eq!(constant([1, 2]), 2);
    assert_eq!(implied([1, 2].into_iter()), 2);
    #[expect(unsafe_code, reason = "the shape under test")]
    // SAFETY: a reference is a valid pointer.
    let seven = unsafe { dangerous(&7) };
    assert_eq!(seven, 7);
    assert_eq!(foreign(1), 2);
    assert_eq!(made(3), 3);
    inner::nested();
    capture.assert_names(&[
        "span_shapes::Shop::new",
        "span_shapes::Shop::count",
        "span_shapes::Stock::provided",
        "span_shapes::Shop::first_mut",
        "span_shapes::Shop::longest",
        "span_shapes::Shop::iterate",
        "span_shapes::Shop::into_count",
        "span_shapes::constant",
        "span_shapes::implied",
        "span_shapes::dangerous",
        "span_shapes::foreign",
        "span_shapes::made",
        "span_shapes::inner::nested::deeper",
        "span_shapes::inner::nested",
    ]);
    capture
        .assert_span("span_shapes::Shop::into_count")
        .has("return", 2);
}

#[test]
fn early_returns_and_question_marks_end_the_span() {
    let capture = testing::capture();
    assert_eq!(early("").unwrap(), 0);
    assert_eq!(early("12").unwrap(), 12);
    assert!(early("x").is_err());
    let spans = capture.spans();
    assert_eq!(spans.len(), 3);
    let message = "invalid digit found in string";
    assert_eq!(
        spans[2].status,
        opentelemetry::trace::Status::error(message)
    );
    assert_eq!(spans[1].status, opentelemetry::trace::Status::Unset);
}

#[test]
fn recursion_nests_each_call() {
    let capture = testing::capture();
    assert_eq!(fibonacci(3), 2);
    let spans = capture.spans();
    assert_eq!(spans.len(), 5);
    let root = &spans[4];
    let children = spans
        .iter()
        .filter(|span| span.parent_span_id == root.span_context.span_id());
    assert_eq!(children.count(), 2);
}

#[test]
fn diverging_function_that_panics_ends_its_span_in_error() {
    let capture = testing::capture();
    let caught = std::panic::catch_unwind(|| never("the message"));
    let payload = caught.err().unwrap();
    assert_eq!(payload.downcast_ref::<String>().unwrap(), "the message");
    capture
        .assert_span("span_shapes::never")
        .failed_with("panicked")
        .has("error.type", "panic");
}

#[tokio::test]
async fn async_functions_of_every_shape_record_their_paths() {
    let capture = testing::capture();
    assert_eq!(Shop::new(vec!['a']).later().await, 'a');
    assert_eq!(parse("5".to_owned()).await.unwrap(), 5);
    assert_eq!(parse(String::new()).await.unwrap(), 0);
    assert!(parse("x".to_owned()).await.is_err());
    unit_and_patterns((1, 2), 0, [3, 4, 5]).await;
    assert!(async_implied([1, 2]).await.eq([2, 1]));
    assert_eq!(returns_future(1).await, 2);
    assert_eq!(returns_boxed(1).await.unwrap(), 1);
    assert_eq!(returns_one_of_two(1).await.unwrap(), 1);
    capture.assert_names(&[
        "span_shapes::Shop::new",
        "span_shapes::Shop::later",
        "span_shapes::parse",
        "span_shapes::parse",
        "span_shapes::parse",
        "span_shapes::unit_and_patterns",
        "span_shapes::async_implied",
        "span_shapes::returns_future",
        "span_shapes::returns_boxed",
        "span_shapes::returns_one_of_two",
    ]);
    assert_eq!(
        capture.spans()[4].status,
        opentelemetry::trace::Status::error("invalid digit found in string")
    );
}

#[tokio::test]
async fn boxed_future_that_fails_records_the_error() {
    let capture = testing::capture();
    assert!(returns_boxed(0).await.is_err());
    assert!(returns_one_of_two(0).await.is_err());
    capture
        .assert_span("span_shapes::returns_boxed")
        .failed_with("zero");
    capture
        .assert_span("span_shapes::returns_one_of_two")
        .failed_with("zero");
}

#[tokio::test]
async fn async_trait_methods_nest_and_record_errors() {
    let capture = testing::capture();
    let client: Box<dyn Fetch> = Box::new(Client {
        base: "http://x".to_owned(),
    });
    assert_eq!(client.twice(7).await.unwrap(), "http://x/7");
    assert!(client.fetch(0).await.is_err());
    let spans = capture.spans();
    assert_eq!(spans.len(), 4);
    assert_eq!(spans[0].name, "span_shapes::Client::fetch");
    assert_eq!(spans[2].name, "Fetch::twice");
    assert_eq!(spans[0].parent_span_id, spans[2].span_context.span_id());
    assert_eq!(
        spans[3].status,
        opentelemetry::trace::Status::error("no such id")
    );
}

#[enhanced_trace]
#[track_caller]
fn where_called() -> u32 {
    std::panic::Location::caller().line()
}

#[test]
fn function_that_tracks_its_caller_sees_the_line_of_the_call() {
    let capture = testing::capture();
    let line = line!() + 1;
    assert_eq!(where_called(), line);
    assert_eq!(capture.spans().len(), 1);
}

#[enhanced_trace(capture(key))]
fn find_or_last(values: &mut [(u32, String)], key: u32) -> Option<&mut String> {
    if let Some(at) = values.iter().position(|(known, _)| *known == key) {
        return Some(&mut values[at].1);
    }
    values.last_mut().map(|(_, value)| value)
}

#[enhanced_trace(capture(from))]
fn count_down(from: u32) -> impl Iterator<Item = u32> + Clone {
    (0..from).rev()
}

#[enhanced_trace]
fn consume((mut left, right): (Vec<u8>, Vec<u8>), by: &mut usize) -> Vec<u8> {
    *by += right.len();
    left.extend(right);
    left
}

#[test]
fn bodies_that_give_away_what_they_borrowed_or_own_keep_doing_so() {
    let capture = testing::capture();
    let mut values = vec![(1, String::from("a")), (2, String::from("b"))];
    if let Some(value) = find_or_last(&mut values, 1) {
        value.push('!');
    }
    assert_eq!(values[0].1, "a!");
    assert_eq!(count_down(3).collect::<Vec<_>>(), [2, 1, 0]);
    let mut by = 1;
    assert_eq!(consume((vec![1], vec![2, 3]), &mut by), [1, 2, 3]);
    assert_eq!(by, 3);
    assert_eq!(capture.spans().len(), 3);
}

/// Writes its name when it is dropped.
struct Dropped<'a>(&'static str, &'a RefCell<String>);

impl Drop for Dropped<'_> {
    fn drop(&mut self) {
        self.1.borrow_mut().push_str(self.0);
    }
}

#[test]
fn arguments_of_an_annotated_function_are_dropped_last_to_first() {
    #[enhanced_trace]
    fn used(a: Dropped<'_>, b: Dropped<'_>) -> usize {
        a.0.len() + b.0.len()
    }
    #[enhanced_trace(ret)]
    fn recorded(a: Dropped<'_>, b: Dropped<'_>) -> i64 {
        i64::from(a.0.is_empty() || b.0.is_empty())
    }
    #[enhanced_trace(fields(first = a.0))]
    fn held(a: Dropped<'_>, _b: Dropped<'_>, (c, d): (Dropped<'_>, Dropped<'_>)) -> usize {
        a.0.len() + c.0.len() + d.0.len()
    }
    #[enhanced_trace]
    async fn waited(a: Dropped<'_>, _b: Dropped<'_>) -> usize {
        tokio::task::yield_now().await;
        a.0.len()
    }
    let written = RefCell::new(String::new());
    let new = |name| Dropped(name, &written);
    used(new("a"), new("b"));
    assert_eq!(written.take(), "ba");
    recorded(new("a"), new("b"));
    assert_eq!(written.take(), "ba");
    held(new("a"), new("b"), (new("c"), new("d")));
    assert_eq!(written.take(), "dcba");
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(waited(new("a"), new("b")));
    assert_eq!(written.take(), "ba");
}
