use otel_enhance::testing;

mod company {
    pub(super) use otel_enhance as telemetry;
}

#[company::telemetry::enhanced_trace(name = "own path", crate = company::telemetry)]
fn pay() {}

#[company::telemetry::enhanced_trace(name = "from the root", crate = crate::argument_crate::company::telemetry)]
fn buy() {}

pub(crate) fn main() {
    let capture = testing::capture();
    pay();
    buy();
    capture.assert_names(&["own path", "from the root"]);
}
