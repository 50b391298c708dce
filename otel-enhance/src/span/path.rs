//! From a type name to a function's path.

/// The path of the function in which a marker type was declared, given the marker's type name:
/// closures, generics and `impl` blocks stripped, `krate::module::Type::function`.
pub(crate) fn function_path(marker: &str) -> String {
    // The last segment is the marker itself.
    let function = marker.rsplit_once("::").map_or(marker, |(path, _)| path);
    let mut path = String::with_capacity(function.len());
    for segment in segments(function) {
        let segment = strip(segment);
        if segment.is_empty() || segment == "{{closure}}" {
            continue;
        }
        // `krate::other::<impl krate::Type>::method`: the type is what counts, not where its
        // `impl` stands.
        if segment.starts_with('\0') {
            path.clear();
        }
        if !path.is_empty() {
            path.push_str("::");
        }
        path.push_str(segment.trim_start_matches('\0'));
    }
    path
}

/// Splits at `::` outside of every bracket.
fn segments(path: &str) -> Vec<&str> {
    let bytes = path.as_bytes();
    let (mut found, mut depth, mut start, mut at) = (Vec::new(), 0_usize, 0, 0);
    while at < bytes.len() {
        match bytes[at] {
            // The arrow of `fn() -> T` closes nothing.
            b'-' if bytes.get(at + 1) == Some(&b'>') => at += 1,
            b'<' | b'(' | b'[' => depth += 1,
            b'>' | b')' | b']' => depth = depth.saturating_sub(1),
            b':' if depth == 0 && bytes.get(at + 1) == Some(&b':') => {
                found.push(&path[start..at]);
                at += 1;
                start = at + 1;
            }
            _ => {}
        }
        at += 1;
    }
    found.push(&path[start..]);
    found
}

/// One segment without its generics; a qualified type is replaced by the type's own path, marked
/// by a leading NUL.
fn strip(segment: &str) -> String {
    let Some(open) = segment.find('<') else {
        return segment.to_owned();
    };
    if open > 0 {
        return segment[..open].to_owned();
    }
    let inner = segment.trim_start_matches('<');
    let inner = inner.strip_suffix('>').unwrap_or(inner);
    let (inner, in_impl) = match inner.strip_prefix("impl ") {
        Some(rest) => (rest, true),
        None => (inner, false),
    };
    // `<T as Trait>` and `<impl Trait for T>`.
    let of = if in_impl {
        split_outside(inner, " for ").map_or(inner, |(_, of)| of)
    } else {
        split_outside(inner, " as ").map_or(inner, |(of, _)| of)
    };
    format!("\0{}", type_path(of))
}

/// The path of a type, its generics stripped at every level that is a path.
fn type_path(of: &str) -> String {
    let of = of.trim_start_matches(['&', '*']);
    let of = ["mut ", "const ", "dyn "]
        .iter()
        .fold(of, |of, word| of.strip_prefix(word).unwrap_or(of));
    if of.starts_with(['(', '[']) {
        return of.to_owned();
    }
    let parts: Vec<String> = segments(of)
        .into_iter()
        .map(|part| {
            part.split(['<', '(', ' '])
                .next()
                .unwrap_or(part)
                .to_owned()
        })
        .filter(|part| !part.is_empty())
        .collect();
    parts.join("::")
}

/// Splits at the first `separator` outside of every bracket.
fn split_outside<'a>(text: &'a str, separator: &str) -> Option<(&'a str, &'a str)> {
    let (mut depth, bytes) = (0_usize, text.as_bytes());
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'<' | b'(' | b'[' => depth += 1,
            b'>' if at > 0 && bytes[at - 1] == b'-' => {}
            b'>' | b')' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        // By bytes: `at` may be inside of a character, which no separator begins with.
        if depth == 0 && bytes[at..].starts_with(separator.as_bytes()) {
            return Some((&text[..at], &text[at + separator.len()..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::function_path;

    #[test]
    fn path_of_every_kind_of_function_is_module_type_function() {
        // Left: what `std::any::type_name` says of a type declared in the function.
        let cases = [
            ("a::free::H", "a::free"),
            ("a::m::G<_>::x::H", "a::m::G::x"),
            ("<a::m::G<_> as a::m::Tr>::a::H", "a::m::G::a"),
            ("<a::m::G<_> as a::n::T2<_>>::b::H", "a::m::G::b"),
            ("a::m::Tr::d::H", "a::m::Tr::d"),
            ("a::n::<impl a::m::G<u8>>::other::H", "a::m::G::other"),
            (
                "a::n::<impl a::Tr for a::m::G<u8>>::other::H",
                "a::m::G::other",
            ),
            ("<alloc::vec::Vec<u8> as a::Tr>::a::H", "alloc::vec::Vec::a"),
            ("<&str as a::m::Tr>::a::H", "str::a"),
            ("<[u8; 3] as a::m::Tr>::a::H", "[u8; 3]::a"),
            (
                "<dyn core::ops::function::Fn(u8) -> u8 as a::m::Tr>::a::H",
                "core::ops::function::Fn::a",
            ),
            ("<fn(u8) -> u8 as a::m::Tr>::a::H", "fn::a"),
            ("a::m::G<_>::asy::{{closure}}::H", "a::m::G::asy"),
            (
                "a::main::{{closure}}::{{closure}}::inner::H",
                "a::main::inner",
            ),
            ("a::m::G<fn(u8) -> a::B<u8>>::x::H", "a::m::G::x"),
            ("<a::Größe<_> as a::Maß>::länge::H", "a::Größe::länge"),
        ];
        for (marker, path) in cases {
            assert_eq!(function_path(marker), path, "{marker}");
        }
    }

    #[test]
    fn path_of_odd_input_does_not_panic() {
        for odd in [
            "",
            "H",
            "::",
            "<",
            ">::x::H",
            "<<a as b>::c as d>::e::H",
            "ä::<ö>::ü",
        ] {
            let _ = function_path(odd);
        }
    }
}
