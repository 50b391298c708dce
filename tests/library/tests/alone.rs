//! The library without an application that installs telemetry, built without the SDK.

use otel_enhance_test_library::{add, observed};

#[test]
fn annotated_function_without_an_application_works_and_has_no_span() {
    assert_eq!(add(2, 3), 5);
    assert!(!observed());
}

/// Neither a thread nor a file: nothing but the function's own work.
#[cfg(target_os = "linux")]
#[test]
fn annotated_function_without_an_application_opens_and_starts_nothing() {
    let count = |folder: &str| std::fs::read_dir(folder).map(Iterator::count).ok();
    // The other test may run in a thread of its own meanwhile: it begins or ends, but by itself.
    let files = count("/proc/self/fd");
    for number in 0..1000 {
        add(number, number);
    }
    assert_eq!(count("/proc/self/fd"), files);
}
