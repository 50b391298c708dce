//! Runnable examples of otel-enhance, one file an idea.
