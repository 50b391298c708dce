//! Durations: `10s`, `"10s"`, or an expression of type `Duration`.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::parse::ParseStream;
use syn::{Error, Ident, Lit, Token};

use crate::arguments;

/// Reads `= duration`.
pub(crate) fn duration(input: ParseStream<'_>, key: &Ident) -> syn::Result<TokenStream> {
    arguments::equals(input, key, &format!("{key} = 10s"))?;
    let ahead = input.fork();
    if let Ok(lit) = ahead.parse::<Lit>()
        && (ahead.is_empty() || ahead.peek(Token![,]))
    {
        input.parse::<Lit>()?;
        let millis = millis(&lit).ok_or_else(|| {
            Error::new_spanned(
                &lit,
                format!(
                    "expected a duration with its unit, such as `{key} = 10s` (ms, s, m, h), or an expression of type `Duration`"
                ),
            )
        })?;
        return Ok(quote_spanned!(lit.span()=> ::core::time::Duration::from_millis(#millis)));
    }
    let value = arguments::expression(input)?;
    Ok(quote!(#value))
}

/// The milliseconds that a literal with a unit stands for.
fn millis(lit: &Lit) -> Option<u64> {
    let text = match lit {
        Lit::Int(int) => format!("{}{}", int.base10_digits(), int.suffix()),
        Lit::Float(float) => format!("{}{}", float.base10_digits(), float.suffix()),
        Lit::Str(text) => text.value().trim().to_owned(),
        _ => return None,
    };
    let unit_at = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(unit_at);
    let factor: u64 = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    let number = number.trim();
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(factor);
    }
    let millis = number.parse::<f64>().ok()? * factor as f64;
    // Fractions of a millisecond and what no clock counts are mistakes.
    ((0.0..1e15).contains(&millis) && millis.fract() == 0.0).then_some(millis as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis_of(text: &str) -> Option<u64> {
        millis(&syn::parse_str(text).expect("a literal"))
    }

    #[test]
    fn literal_with_a_unit_is_read() {
        for (text, expected) in [
            ("10s", 10_000),
            ("250ms", 250),
            ("2m", 120_000),
            ("1h", 3_600_000),
            ("1.5s", 1500),
            ("1_000ms", 1000),
            ("\"10s\"", 10_000),
            ("\" 1.5 s\"", 1500),
        ] {
            assert_eq!(millis_of(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn literal_that_is_no_duration_is_refused() {
        for text in [
            "10",
            "10u64",
            "1.5",
            "\"10\"",
            "\"s\"",
            "\"-1s\"",
            "0.5ms",
            "true",
            "\"10 days\"",
            "99999999999999999999h",
            "18446744073709551615h",
        ] {
            assert_eq!(millis_of(text), None, "{text}");
        }
    }
}
