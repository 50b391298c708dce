use otel_enhance::{enhanced_trace, testing};

use std::num::ParseIntError;

#[enhanced_trace(name = "sum", err)]
fn sum(numbers: &[&str]) -> Result<i64, ParseIntError> {
    let mut sum = 0;
    for number in numbers {
        if number.is_empty() {
            return Ok(-1);
        }
        sum += number.parse::<i64>()?;
    }
    Ok(sum)
}

pub(crate) fn main() {
    let capture = testing::capture();
    assert_eq!(sum(&["1", "2"]), Ok(3));
    assert_eq!(sum(&["1", ""]), Ok(-1));
    assert!(sum(&["x"]).is_err());
    assert_eq!(capture.spans().len(), 3);
}
