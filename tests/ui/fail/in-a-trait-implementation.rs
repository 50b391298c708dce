use otel_enhance::enhanced_trace;

trait Shop {
    fn pay(&self, total: f64) -> bool;
}

struct Local;

// The method must still be there: else the trait would be incomplete.
impl Shop for Local {
    #[enhanced_trace(capture(sum))]
    fn pay(&self, total: f64) -> bool {
        total > 0.0
    }
}

fn main() {
    let _ = Local.pay(1.0);
}
