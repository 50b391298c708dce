//! Every variable: valid, invalid, and who wins. No test touches the process's environment.

mod general;
mod numbers;
#[cfg(feature = "otlp-http")]
mod otlp;
#[cfg(feature = "otlp-http")]
mod otlp_secrets;
mod resource;
mod variables;

use super::settings::Propagator;
use super::*;
use crate::InitError;

type Vars = &'static [(&'static str, &'static str)];

/// Nothing in code; a build that cannot send must name an exporter.
fn nothing() -> Overrides {
    Overrides {
        exporter: (!super::otlp::is_compiled_in()).then_some(ExporterKind::None),
        ..Overrides::default()
    }
}

fn resolved(overrides: Overrides, vars: Vars) -> (Settings, Vec<Diagnostic>) {
    let (settings, diagnostics) =
        resolve(overrides, &Env::of(vars.iter().copied())).expect("code is right");
    (settings, diagnostics.as_slice().to_vec())
}

fn refused(overrides: Overrides, vars: Vars) -> InitError {
    resolve(overrides, &Env::of(vars.iter().copied())).expect_err("code is wrong")
}

/// One row: the variables, what holds, and the names of the variables that are reported.
type Row = (Vars, &'static str, &'static [&'static str]);

/// Checks rows against one field, and that each report says what holds.
fn check(field: fn(&Settings) -> String, rows: &[Row]) {
    for (vars, holds, reported) in rows {
        let (settings, diagnostics) = resolved(nothing(), vars);
        assert_eq!(field(&settings), *holds, "{vars:?}");
        let names: Vec<_> = diagnostics.iter().map(|d| d.name.as_str()).collect();
        assert_eq!(names, *reported, "{vars:?}: {diagnostics:?}");
        for diagnostic in &diagnostics {
            assert!(
                diagnostic.advice.contains("expected ")
                    && diagnostic.advice.ends_with(&format!("`{holds}` holds")),
                "{diagnostic}"
            );
            let content = vars
                .iter()
                .find(|(name, _)| *name == diagnostic.name)
                .map(|(_, content)| content.trim());
            assert!(content.is_some_and(|content| content.contains(&diagnostic.content)));
        }
    }
}

/// Checks that code with `set` is refused for `argument`.
fn check_refused(argument: &str, overrides: Overrides, expected: &str) {
    match refused(overrides, &[]) {
        InitError::InvalidArgument {
            argument: named,
            expected: text,
            ..
        } => {
            assert_eq!(named, argument);
            assert!(text.contains(expected), "{text}");
        }
        other => panic!("{other:?}"),
    }
}
