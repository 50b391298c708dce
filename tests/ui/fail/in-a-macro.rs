use otel_enhance::enhanced_trace;

macro_rules! handler {
    ($name:ident, $kind:literal) => {
        #[enhanced_trace(kind = $kind)]
        fn $name() {}
    };
}

handler!(list, "server");
handler!(order, "servr");

fn main() {
    list();
    order();
}
