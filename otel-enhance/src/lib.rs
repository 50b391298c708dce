//! otel-enhance
