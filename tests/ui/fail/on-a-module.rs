use otel_enhance::enhanced_trace;

#[enhanced_trace]
mod shop {
    pub fn pay() {}
}

fn main() {
    shop::pay();
}
