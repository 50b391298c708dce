//! An embeddable OTLP receiver.
