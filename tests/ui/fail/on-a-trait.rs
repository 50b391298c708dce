use otel_enhance::enhanced_trace;

#[enhanced_trace]
trait Shop {
    fn pay(&self);
}

struct Local;

impl Shop for Local {
    fn pay(&self) {}
}

fn main() {
    Local.pay();
}
