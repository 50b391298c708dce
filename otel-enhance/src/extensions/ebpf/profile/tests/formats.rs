//! What is written, read back by the official messages, by a reader of pprof's, and as text.

use std::collections::HashMap;
use std::io::Read as _;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use opentelemetry::{Array, KeyValue, StringValue, Value};
use opentelemetry_proto::tonic::collector::profiles::v1development::ExportProfilesServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value;
use opentelemetry_sdk::Resource;
use prost::Message as _;

use super::aggregate::{Ids, Row, Span, Thread, Weight};
use super::snapshot::{Mapping, Profile, ProfileAccount, ProfileKind, Tables};
use super::stack::{CUT_OFF, IN_KERNEL};
use super::symbols::Frame;

fn frame(function: &str, line: u32, inlined: bool) -> Frame {
    Frame {
        function: function.into(),
        file: (line > 0).then(|| "src/shop.rs".into()),
        line,
        inlined,
    }
}

/// Two stacks of one span, one of another kind outside of spans.
fn profile() -> Profile {
    let ids = Ids {
        trace: [0xab; 16],
        span: [0x11; 8],
    };
    let frames = HashMap::from([
        (
            0x1010,
            Arc::from([
                frame("<T as shop::Price>::mix", 7, true),
                frame("shop::price", 9, false),
            ]),
        ),
        (0x1020, Arc::from([frame("shop::main<[u8; 4]>", 20, false)])),
        (0x9000, Arc::from([frame("read", 0, false)])),
        (CUT_OFF, Arc::from([frame("[stack cut off]", 0, false)])),
        (IN_KERNEL, Arc::from([frame("[kernel]", 0, false)])),
    ]);
    let tables = Tables {
        stacks: vec![
            Arc::from([0x1010, 0x1020]),
            Arc::from([IN_KERNEL, 0x9000, 0x1020, CUT_OFF]),
        ],
        spans: vec![Span {
            ids: Some(ids),
            name: Some(0),
        }],
        names: vec!["check & \"out\"".into()],
        threads: vec![Thread {
            tid: 77,
            name: "worker".into(),
        }],
        mappings: Arc::from([Mapping {
            path: "/bin/shop".into(),
            start: 0x1000,
            limit: 0x2000,
            file_offset: 0x400,
            build_id: "c0ffee".into(),
        }]),
        frames,
    };
    let row = |span, stack| Row {
        span,
        stack,
        thread: 1,
    };
    let weight = |ticks, sleeps, slept_ns| Weight {
        ticks,
        sleeps,
        slept_ns,
    };
    let rows = vec![
        (row(1, 1), weight(3, 0, 0)),
        (row(1, 2), weight(1, 2, 5_000_000)),
        (row(0, 2), weight(4, 0, 0)),
    ];
    let started = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    Profile::new(
        rows,
        tables,
        started,
        Duration::from_secs(2),
        10_000_000,
        ProfileAccount::default(),
    )
}

#[test]
fn folded_text_has_a_line_for_each_stack_and_nothing_that_separates_within() {
    let profile = profile();
    assert_eq!(
        profile.to_folded(ProfileKind::Cpu),
        "[no span];[stack cut off];shop::main<[u8: 4]>;read;[kernel] 4\n\
         check & \"out\";[stack cut off];shop::main<[u8: 4]>;read;[kernel] 1\n\
         check & \"out\";shop::main<[u8: 4]>;shop::price;<T as shop::Price>::mix 3\n"
    );
    assert_eq!(
        profile.to_folded(ProfileKind::OffCpu),
        "check & \"out\";[stack cut off];shop::main<[u8: 4]>;read;[kernel] 5000\n"
    );
}

#[test]
fn a_flame_graph_is_well_formed_and_names_every_function() {
    let svg = profile().to_flame_graph(ProfileKind::Cpu, "<shop>");
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    for text in [
        "&lt;shop&gt;",
        "check &amp; &quot;out&quot; (40.0 ms, 50.00 %, 4 samples)",
        "&lt;T as shop::Price&gt;::mix (inlined) (30.0 ms, 37.50 %, 3 samples)",
        "8 samples at 100 Hz, 0.08 s on a CPU in 2.0 s",
    ] {
        assert!(svg.contains(text), "{text} is not in {svg}");
    }
    assert_eq!(svg.matches("<g ").count(), svg.matches("</g>").count());
    let empty = profile()
        .of_span_name("none")
        .to_flame_graph(ProfileKind::OffCpu, "");
    assert!(empty.contains("0 sleeps"));
}

#[test]
fn parts_are_cut_out_by_name_span_and_trace() {
    let profile = profile();
    assert_eq!(profile.span_names(), ["check & \"out\""]);
    assert_eq!(profile.time(ProfileKind::Cpu), Duration::from_millis(80));
    for part in [
        profile.of_span_name("check & \"out\""),
        profile.of_span([0x11; 8]),
        profile.of_trace([0xab; 16]),
    ] {
        assert_eq!(part.time(ProfileKind::Cpu), Duration::from_millis(40));
        assert_eq!(part.time(ProfileKind::OffCpu), Duration::from_millis(5));
    }
    assert!(profile.of_span([0; 8]).is_empty());
}

#[test]
fn otlp_is_what_the_official_messages_read() {
    let resource = Resource::builder_empty()
        .with_attributes([
            KeyValue::new("service.name", "shop"),
            KeyValue::new("zero", 0),
            KeyValue::new(
                "list",
                Value::Array(Array::String(vec![StringValue::from("a")])),
            ),
        ])
        .build();
    let bytes = profile().to_otlp(&resource);
    let request = ExportProfilesServiceRequest::decode(&bytes[..]).unwrap();
    assert_eq!(
        request.encode_to_vec().len(),
        bytes.len(),
        "no field that is not known"
    );
    let dictionary = request.dictionary.unwrap();
    let text = |index: i32| dictionary.string_table[index as usize].as_str();
    assert_eq!(text(0), "");
    assert_eq!(dictionary.mapping_table[0], Default::default());
    assert_eq!(dictionary.location_table[0], Default::default());
    assert_eq!(dictionary.function_table[0], Default::default());
    assert_eq!(dictionary.link_table[0], Default::default());
    assert_eq!(dictionary.attribute_table[0], Default::default());
    assert_eq!(dictionary.stack_table[0], Default::default());
    let group = &request.resource_profiles[0];
    let attributes = &group.resource.as_ref().unwrap().attributes;
    assert_eq!(attributes.len(), 3);
    let zero = attributes.iter().find(|pair| pair.key == "zero").unwrap();
    assert_eq!(
        zero.value.as_ref().unwrap().value,
        Some(any_value::Value::IntValue(0))
    );

    let profiles = &group.scope_profiles[0].profiles;
    let kind = |at: usize| text(profiles[at].sample_type.unwrap().type_strindex);
    assert_eq!((profiles.len(), kind(0), kind(1)), (2, "cpu", "off_cpu"));
    let cpu = &profiles[0];
    assert_eq!((cpu.period, cpu.duration_nano), (10_000_000, 2_000_000_000));
    assert_eq!(cpu.profile_id.len(), 16);
    let values: i64 = cpu.samples.iter().flat_map(|sample| &sample.values).sum();
    assert_eq!(values, 80_000_000);
    let linked: Vec<_> = cpu
        .samples
        .iter()
        .filter(|sample| sample.link_index != 0)
        .collect();
    assert_eq!(linked.len(), 2);
    let link = &dictionary.link_table[linked[0].link_index as usize];
    assert_eq!(
        (&link.trace_id[..], &link.span_id[..]),
        (&[0xab; 16][..], &[0x11; 8][..])
    );
    for sample in &linked {
        let keys: Vec<&str> = sample
            .attribute_indices
            .iter()
            .map(|index| text(dictionary.attribute_table[*index as usize].key_strindex))
            .collect();
        assert_eq!(keys, ["thread.id", "thread.name", "otel_enhance.span.name"]);
    }
    // From the leaf to the root, with what is inlined first.
    let stack = &dictionary.stack_table[linked[0].stack_index as usize];
    let names: Vec<&str> = stack
        .location_indices
        .iter()
        .flat_map(|index| &dictionary.location_table[*index as usize].lines)
        .map(|line| text(dictionary.function_table[line.function_index as usize].name_strindex))
        .collect();
    let expected = [
        "<T as shop::Price>::mix",
        "shop::price",
        "shop::main<[u8; 4]>",
    ];
    assert_eq!(names, expected);
    let leaf = &dictionary.location_table[stack.location_indices[0] as usize];
    assert_eq!((leaf.address, leaf.mapping_index), (0x1010, 1));
    assert_eq!(
        text(dictionary.mapping_table[1].filename_strindex),
        "/bin/shop"
    );
}

#[test]
fn pprof_is_compressed_and_has_what_tools_ask_for() {
    let bytes = profile().to_pprof();
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(&bytes[..])
        .read_to_end(&mut plain)
        .unwrap();
    assert_eq!(plain, profile().to_pprof_uncompressed());
    for text in [
        "trace_id",
        "abababababababababababababababab",
        "1111111111111111",
        "span",
        "thread_name",
        "off_cpu",
        "c0ffee",
        "src/shop.rs",
    ] {
        let found = plain
            .windows(text.len())
            .any(|part| part == text.as_bytes());
        assert!(found, "{text}");
    }
}
