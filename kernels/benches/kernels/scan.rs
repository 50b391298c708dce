//! Literals that give secrets away, searched in an arena of values.

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use otel_enhance_kernels::Level;
use otel_enhance_kernels::scan::{Case, Literals};

use crate::corpus::Corpus;
use crate::measure::{Side, compare};

/// Beginnings of secrets, and names of fields that hold them.
const FEW: &[&str] = &[
    "password",
    "authorization",
    "bearer ",
    "-----begin",
    "akia",
    "ghp_",
    "api_key",
    "set-cookie",
];
const MORE: &str = "passwd passphrase secret apikey api-key access_key access-key private_key client_secret \
    id_token refresh_token access_token session_id sessionid x-api-key gho_ ghu_ ghs_ ghr_ github_pat_ \
    glpat- xoxb- xoxp- xoxa- xapp- sk_live_ rk_live_ pk_live_ sk_test_ sg. key- aiza ya29. asia eyj npm_ \
    pypi- dop_v1_ hvs. shpat_ shpss_ lin_api_ figd_ credit_card cardnumber cvv iban ssn jdbc: \
    mongodb+srv:// postgres:// redis:// amqp://";
const SERVICES: &str = "alibaba atlassian beamer bitbucket codecov coinbase confluent contentful databricks \
    datadog discord doppler dropbox dynatrace easypost fastly finicity grafana heroku hubspot";

fn sets() -> [Vec<String>; 3] {
    let few: Vec<String> = FEW.iter().map(|&literal| literal.to_owned()).collect();
    let mut more = few.clone();
    more.extend(MORE.split_whitespace().map(str::to_owned));
    let mut many = more.clone();
    for service in SERVICES.split_whitespace() {
        for end in [
            "_token",
            "_secret",
            "-api-key",
            "_client_id",
            "_password",
            "_key=",
        ] {
            many.push(format!("{service}{end}"));
        }
    }
    [few, more, many]
}

pub(crate) fn run(corpus: &Corpus) {
    let arena = &corpus.values.concat().into_bytes();
    let mut end = 0;
    let ends: &Vec<usize> = &corpus
        .values
        .iter()
        .map(|value| {
            end += value.len();
            end
        })
        .collect();
    for set in &sets() {
        for (case, name) in [
            (Case::IgnoreAscii, "ignore_case"),
            (Case::Sensitive, "exact"),
        ] {
            let Ok(literals) = Literals::new(set, case) else {
                continue;
            };
            let mut sides: Vec<_> = Level::supported()
                .map(|level| {
                    let literals = literals.clone();
                    Side::new(level, move || {
                        let mut found = 0;
                        literals.scan_with(level, arena, ends, |_| found += 1);
                        found
                    })
                })
                .collect();
            // Its choice, and the fastest automaton that it has; on the arena, as if all were one value.
            for (side, kind) in [
                ("aho-corasick", None),
                ("aho-corasick-dfa", Some(AhoCorasickKind::DFA)),
            ] {
                let built = AhoCorasick::builder()
                    .ascii_case_insensitive(case == Case::IgnoreAscii)
                    .kind(kind)
                    // Its vectors serve no other kind.
                    .match_kind(MatchKind::LeftmostFirst)
                    .build(set);
                if let Ok(automaton) = built {
                    sides.push(Side::new(side, move || automaton.find_iter(arena).count()));
                }
            }
            let kernel = format!("scan_{}_{name}", set.len());
            compare(&kernel, &corpus.name, corpus.values.len(), sides);
        }
    }
}
