//! The whole deploy path under mutated components: analysis, compile child, loader, one run. Only typed outcomes.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::{Duration, Instant},
};

use airlock_analysis::{Bounds, inspect};
use airlock_tests::{
    Harness, Options,
    guests::{WatGuest, built},
    reason,
};

/// Rounds without `AIRLOCK_DEPLOY_FUZZ`.
const ROUNDS: usize = 300;
/// One round in so many goes over the wire even when analysis alone has refused it.
const WIRE_EVERY: usize = 20;
const LIMITS: &str = "[limits]\nfuel = 20_000_000\nwall_time_ms = 2_000\nmemory_bytes = \"32MiB\"\n";

static PANICS: AtomicUsize = AtomicUsize::new(0);

#[expect(clippy::disallowed_methods, reason = "how long to look for trouble is up to whoever runs the test")]
fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[tokio::test]
async fn mutated_components_end_in_typed_outcomes() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        PANICS.fetch_add(1, Relaxed);
        usual(panic);
    }));
    let more_config = "[deploy]\ncompile_cpu_s = 20\n".to_owned();
    let harness = Harness::start_with(Options { more_config }).await;
    let mut chance = Chance(setting("AIRLOCK_DEPLOY_FUZZ_SEED", 0x5eed_0003) as u64);
    let seeds = seeds();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut slowest = Duration::ZERO;
    for round in 0..setting("AIRLOCK_DEPLOY_FUZZ", ROUNDS) {
        let bytes = mutate(&seeds, &mut chance);
        let began = Instant::now();
        let judged =
            inspect(&bytes, &Bounds::BUILT_IN).map(drop).map_err(|findings| findings.first().map(|f| f.rule.clone()));
        let outcome = match judged {
            Err(rule) if round % WIRE_EVERY != 0 => format!("analysis {}", rule.expect("a refusal has a finding")),
            _ => end_to_end(&harness, bytes.clone()).await,
        };
        slowest = slowest.max(began.elapsed());
        let bad = outcome.contains("internal") || outcome.contains("no reason") || PANICS.load(Relaxed) > 0;
        assert!(!bad, "round {round} ended as {outcome}; kept in {}", keep(&bytes));
        *seen.entry(outcome).or_default() += 1;
    }
    println!("slowest {slowest:?}, {seen:#?}");
    assert!(harness.is_serving().await);
    let deployed = seen.keys().filter(|outcome| outcome.starts_with("deployed")).count();
    assert!(deployed > 0 && seen.len() > deployed, "the mutations reach both sides");
}

/// Deploys over the wire, and runs what was deployed.
async fn end_to_end(harness: &Harness, component: Vec<u8>) -> String {
    let manifest = format!("name = \"mutant\"\nlanguage = \"component\"\n{LIMITS}");
    match harness.deploy(&manifest, component).await {
        Err(status) => format!("refused {}", reason(&status)),
        Ok(_) => match harness.invoke("mutant", "{}").await {
            Ok(_) => "deployed, returned".to_owned(),
            Err(status) => format!("deployed, {}", reason(&status)),
        },
    }
}

/// Keeps bytes that found something.
fn keep(bytes: &[u8]) -> String {
    let path = airlock_tests::guests::target_dir().join("deploy-fuzz-finding.wasm");
    std::fs::write(&path, bytes).expect("written");
    path.display().to_string()
}

fn seeds() -> Vec<Vec<u8>> {
    let control = "(local $n i32) (local.set $n (i32.const 10)) (block $out (loop $again
        (br_if $out (i32.eqz (local.get $n))) (local.set $n (i32.sub (local.get $n) (i32.const 1)))
        (drop (call_indirect (param i32) (result i32) (local.get $n) (i32.const 0))) (br $again)))
        (memory.fill (i32.const 4096) (i32.const 7) (i32.const 64)) (i32.const 16)";
    let fields = "(table 4 funcref) (elem (i32.const 0) $id) (func $id (param i32) (result i32) (local.get 0))
        (global $g (mut i64) (i64.const 5)) (func $f (param f64) (result i64) (i64.trunc_sat_f64_s (local.get 0)))
        (func $v (param v128) (result v128) (i8x16.add (local.get 0) (local.get 0)))";
    let nested = WatGuest {
        definitions: "(component $inner (core module $m (func (export \"f\") (param i32)))
            (core instance $i (instantiate $m)) (type $t (record (field \"a\" u32)))
            (func (export \"f\") (param \"a\" u32) (canon lift (core func $i \"f\"))))
            (instance (instantiate $inner)) (type $thing (resource (rep i32))) (core func $new (canon resource.new $thing))"
            .to_owned(),
        arguments: r#"(with "host" (instance (export "new" (func $new))))"#.to_owned(),
        ..WatGuest::returning("1")
    };
    let handles = nested.fields.clone();
    let nested = nested.fields(&format!("(import \"host\" \"new\" (func $new (param i32) (result i32))) {handles}"));
    let mut seeds = vec![
        WatGuest::returning("{\"a\":1}").component(),
        WatGuest::new(control).fields(fields).component(),
        nested.component(),
    ];
    seeds.push(built("hello-plain").1);
    seeds
}

/// A seeded xorshift generator: the same mutants on every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).expect("53 bits") % limit.max(1)
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).expect("a byte")
    }
}

fn mutate(seeds: &[Vec<u8>], chance: &mut Chance) -> Vec<u8> {
    let mut bytes = seeds[chance.below(seeds.len())].clone();
    let other = &seeds[chance.below(seeds.len())];
    // Half of the mutants keep their form, so that enough of them reach the compiler.
    if chance.below(2) == 0 {
        in_code(&mut bytes, chance);
        return bytes;
    }
    for _ in 0..=chance.below(3) {
        let at = chance.below(bytes.len());
        match chance.below(9) {
            0 => bytes[at] ^= 1 << chance.below(8),
            1 => bytes[at] = chance.byte(),
            2 => bytes.insert(at, chance.byte()),
            3 => drop(bytes.remove(at)),
            4 => splice(&mut bytes, other, chance),
            5 => rearrange(&mut bytes, chance),
            6 => lie_about_length(&mut bytes, chance),
            _ => in_code(&mut bytes, chance),
        }
        if bytes.is_empty() {
            bytes.push(0);
        }
    }
    bytes
}

fn splice(bytes: &mut Vec<u8>, other: &[u8], chance: &mut Chance) {
    let (from, to) = (chance.below(other.len()), chance.below(bytes.len()));
    let length = chance.below(64).min(other.len() - from);
    let end = (to + chance.below(64)).min(bytes.len());
    bytes.splice(to..end, other[from..from + length].iter().copied());
}

/// Swaps, drops or doubles top-level sections.
fn rearrange(bytes: &mut Vec<u8>, chance: &mut Chance) {
    let mut sections: Vec<_> = sections(bytes, 8).into_iter().map(|range| bytes[range].to_vec()).collect();
    if sections.is_empty() {
        return;
    }
    let (a, b) = (chance.below(sections.len()), chance.below(sections.len()));
    match chance.below(3) {
        0 => sections.swap(a, b),
        1 => drop(sections.remove(a)),
        _ => sections.insert(b, sections[a].clone()),
    }
    bytes.truncate(8);
    bytes.extend(sections.concat());
}

fn lie_about_length(bytes: &mut [u8], chance: &mut Chance) {
    let sections = sections(bytes, 8);
    if let Some(range) = sections.get(chance.below(sections.len()))
        && let Some(length) = bytes.get_mut(range.start + 1)
    {
        *length = length.wrapping_add(u8::try_from(chance.below(5)).expect("small")).wrapping_sub(2);
    }
}

/// Instructions, or small operands, that take and give the same types.
const ALIKE: [std::ops::RangeInclusive<u8>; 10] = [
    0x00..=0x10,
    0x20..=0x22,
    0x2c..=0x2f,
    0x30..=0x35,
    0x46..=0x4f,
    0x51..=0x5a,
    0x67..=0x69,
    0x6a..=0x78,
    0x7c..=0x8a,
    0xa0..=0xa6,
];

fn in_code(bytes: &mut [u8], chance: &mut Chance) {
    let modules = sections(bytes, 8).into_iter().filter(|range| bytes[range.start] == 1);
    let code: Vec<_> = modules
        .flat_map(|module| {
            let body = module.start + 1 + leb_length(&bytes[module.start + 1..]);
            let inside = sections(&bytes[..module.end], body + 8);
            inside.into_iter().filter(|range| bytes[range.start] == 10).collect::<Vec<_>>()
        })
        .collect();
    let Some(range) = code.get(chance.below(code.len())).cloned() else { return };
    for _ in 0..=chance.below(4) {
        let at = range.start + 3 + chance.below(range.len().saturating_sub(3));
        let Some(place) = bytes.get_mut(at) else { return };
        let same = ALIKE.iter().find(|alike| alike.contains(place));
        *place = match (chance.below(8), same) {
            (0, _) => chance.byte(),
            (1, _) => place.wrapping_add(1),
            (_, Some(alike)) => alike.start() + u8::try_from(chance.below(alike.len())).expect("a byte"),
            (_, None) => *place,
        };
    }
}

/// Where the sections after `at` lie, headers included; stops where the bytes make no sense.
fn sections(bytes: &[u8], mut at: usize) -> Vec<std::ops::Range<usize>> {
    let mut found = Vec::new();
    while let Some(rest) = bytes.get(at + 1..).filter(|rest| !rest.is_empty()) {
        let header = leb_length(rest);
        let length = rest.iter().take(header).enumerate().fold(0_usize, |sum, (n, byte)| {
            sum.saturating_add(usize::from(byte & 0x7f).checked_shl(7 * u32::try_from(n).expect("few")).unwrap_or(0))
        });
        let end = (at + 1 + header).saturating_add(length);
        if end > bytes.len() {
            break;
        }
        found.push(at..end);
        at = end;
    }
    found
}

fn leb_length(bytes: &[u8]) -> usize {
    bytes.iter().take(5).take_while(|byte| **byte & 0x80 != 0).count() + 1
}
