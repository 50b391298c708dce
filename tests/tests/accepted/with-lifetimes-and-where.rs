use otel_enhance::{enhanced_trace, testing};

struct Words<'a, T>(&'a str, T);

impl<'a, T> Words<'a, T>
where
    T: AsRef<str>,
{
    #[enhanced_trace(name = "longest", capture(other))]
    fn longest<'b>(&'b self, other: &'b str) -> &'b str
    where
        'a: 'b,
    {
        if self.0.len() > other.len() {
            self.0
        } else {
            other
        }
    }

    #[enhanced_trace(name = "first")]
    fn first(&self) -> &'a str {
        self.0.split(self.1.as_ref()).next().unwrap_or_default()
    }
}

pub(crate) fn main() {
    let capture = testing::capture();
    let words = Words("alpha beta", " ");
    assert_eq!(words.longest("x"), "alpha beta");
    assert_eq!(words.first(), "alpha");
    capture.assert_span("longest").has("other", "x");
}
