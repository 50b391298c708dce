use otel_enhance::{enhanced_trace, testing};

struct Shop;

impl Shop {
    #[enhanced_trace(name = "all", capture_all, skip(self, password), fields(id = id))]
    fn all(&self, id: u32, name: Option<&str>, password: &str) -> usize {
        let _ = (id, name);
        password.len()
    }
}

pub(crate) fn main() {
    let capture = testing::capture();
    Shop.all(1, Some("a"), "secret");
    capture
        .assert_span("all")
        .has("id", 1)
        .has("name", "Some(\"a\")")
        .lacks("password")
        .lacks("self");
}
