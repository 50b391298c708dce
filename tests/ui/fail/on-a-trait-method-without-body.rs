use otel_enhance::enhanced_trace;

trait Shop {
    #[enhanced_trace(name = "pay")]
    fn pay(&self);
}

struct Local;

impl Shop for Local {
    fn pay(&self) {}
}

fn main() {
    Local.pay();
}
