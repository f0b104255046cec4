//! Guests that want all the memory there is, or memory of a kind we do not give.

use super::{
    Group, Specimen,
    wat::{ANY, LITTLE_TIME, Maker, ONE, Template},
};
use crate::guests::WatGuest;

const MEMORY: Maker = Maker(Group::Memory);
const SMALL: &str = "[limits]\nmemory_bytes = \"8MiB\"\nfuel = 2_000_000_000\nwall_time_ms = 8000\n";
const FEW_ELEMENTS: &str = "[limits]\ntable_elements = 5_000\nfuel = 2_000_000_000\nwall_time_ms = 8000\n";
const FEW_INSTANCES: &str = "[limits]\ninstances = 8\nfuel = 2_000_000_000\nwall_time_ms = 8000\n";

pub(super) fn specimens() -> Vec<Specimen> {
    let mut all = growth();
    all.extend(many());
    all.extend(tables());
    all.extend(born_large());
    all.extend(refused());
    all
}

fn for_ever(body: &str) -> WatGuest {
    WatGuest::new(&format!("(loop $again {body} (br $again)) unreachable"))
}

fn growth() -> Vec<Specimen> {
    let grow = |pages: &str| for_ever(&format!("(drop (memory.grow (i32.const {pages})))"));
    let shrinking = "(local $n i32) (local.set $n (i32.const 65536))
        (loop $again (drop (memory.grow (local.get $n))) (br_if $again (local.tee $n (i32.shr_u (local.get $n) (i32.const 1))))) unreachable";
    let touch = "(local $i i32) (loop $again (i32.store (local.get $i) (i32.const -1))
        (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 4096))) (i32.const 64000000))))";
    vec![
        MEMORY.core("memory-grow-bomb", grow("16"), SMALL, "memory_exhausted"),
        MEMORY.core("memory-grow-page-by-page", grow("1"), ANY, "memory_exhausted"),
        MEMORY.core("memory-grow-by-nothing", grow("0"), LITTLE_TIME, "time_exhausted"),
        MEMORY.core("memory-grow-huge", grow("60000"), ANY, "memory_exhausted"),
        // Beyond 4 GiB the answer is -1 by the type itself, and what is asked for is paid for all the same.
        MEMORY.core("memory-grow-by-minus-one", grow("-1"), ANY, "fuel_exhausted"),
        MEMORY.core("memory-grow-halving", WatGuest::new(shrinking), ANY, "memory_exhausted"),
        MEMORY.core(
            "memory-touch-every-page",
            WatGuest { pages: 1000, ..WatGuest::new(&format!("{touch} {ONE}")) },
            ANY,
            "returned",
        ),
        MEMORY.core(
            "memory-touch-beyond",
            WatGuest { pages: 10, ..WatGuest::new(&format!("{touch} {ONE}")) },
            ANY,
            "guest_trap",
        ),
    ]
}

/// One core module of `fields`, instantiated `count` times beside the guest.
fn beside(fields: &str, count: usize) -> WatGuest {
    let instances = "(core instance (instantiate $more)) ".repeat(count);
    WatGuest { definitions: format!("(core module $more {fields}) {instances}"), ..WatGuest::new(ONE) }
}

/// Several core modules of `fields`, each instantiated once beside the guest.
fn modules(fields: &str, count: usize) -> WatGuest {
    let one = |i| format!("(core module $m{i} {fields}) (core instance (instantiate $m{i}))");
    WatGuest { definitions: (0..count).map(one).collect(), ..WatGuest::new(ONE) }
}

fn many() -> Vec<Specimen> {
    let two_in_one = WatGuest::new(ONE).fields("(memory 1)");
    vec![
        MEMORY.core("memory-many-within-bounds", modules("(memory 20)", 7), ANY, "returned"),
        MEMORY.core("memory-many-summed", modules("(memory 20)", 7), SMALL, "memory_exhausted"),
        MEMORY.core("memory-nine", modules("(memory 1)", 8), ANY, "rejected:bound-exceeded"),
        MEMORY.core("memory-one-module-often", beside("(memory 1)", 20), ANY, "rejected:component-link"),
        MEMORY.core("memory-two-in-one-module", two_in_one, ANY, "rejected:component-invalid"),
        MEMORY.core("memory-many-instances", beside("", 20), FEW_INSTANCES, "instances_exhausted"),
        MEMORY.core("memory-too-many-instances", beside("", 64), ANY, "rejected:component-link"),
    ]
}

fn tables() -> Vec<Specimen> {
    let grow = |by: &str| {
        for_ever(&format!("(drop (table.grow $t (ref.null func) (i32.const {by})))")).fields("(table $t 1 funcref)")
    };
    let sized = |elements: &str| WatGuest::new(ONE).fields(&format!("(table {elements} funcref)"));
    vec![
        MEMORY.core("memory-table-bomb", grow("100"), FEW_ELEMENTS, "table_elements_exhausted"),
        MEMORY.core("memory-table-grow-by-nothing", grow("0"), LITTLE_TIME, "time_exhausted"),
        MEMORY.core("memory-table-grow-huge", grow("15000"), FEW_ELEMENTS, "table_elements_exhausted"),
        MEMORY.core("memory-table-grow-by-minus-one", grow("-1"), ANY, "fuel_exhausted"),
        MEMORY.core(
            "memory-tables-summed",
            modules("(table 1000 funcref)", 7),
            FEW_ELEMENTS,
            "table_elements_exhausted",
        ),
        MEMORY.core("memory-table-born-large", sized("6000"), FEW_ELEMENTS, "table_elements_exhausted"),
        MEMORY.core("memory-table-born-huge", sized("10000000"), ANY, "rejected:component-link"),
        MEMORY.core("memory-nine-tables", modules("(table 1 funcref)", 9), ANY, "rejected:bound-exceeded"),
        MEMORY.core("memory-one-table-often", beside("(table 1 funcref)", 20), ANY, "rejected:component-link"),
    ]
}

fn born_large() -> Vec<Specimen> {
    let far = |offset: &str| WatGuest::new(ONE).fields(&format!("(data (i32.const {offset}) \"x\")"));
    let at_one_gib = WatGuest { pages: 16_385, ..far("0x40000000") };
    let below_one_gib = WatGuest { pages: 16_000, ..far("0x3e000000") };
    let globals = |count: usize| WatGuest::new(ONE).fields(&"(global (mut i64) (i64.const 0))".repeat(count));
    let segments = |count: usize| WatGuest::new(ONE).fields(&"(data \"\")".repeat(count));
    vec![
        MEMORY.core("memory-data-at-1gib", at_one_gib, ANY, "rejected:component-link"),
        MEMORY.core("memory-data-below-1gib", below_one_gib, ANY, "memory_exhausted"),
        MEMORY.core("memory-data-out-of-bounds", far("0x40000000"), ANY, "guest_trap"),
        MEMORY.core(
            "memory-minimum-4gib",
            WatGuest { pages: 65_536, ..WatGuest::new(ONE) },
            ANY,
            "rejected:component-link",
        ),
        MEMORY.core("memory-globals-9k", globals(9_000), ANY, "returned"),
        MEMORY.core("memory-globals-100k", globals(100_000), ANY, "rejected:bound-exceeded"),
        MEMORY.core("memory-data-segments", segments(20_001), ANY, "rejected:bound-exceeded"),
        MEMORY.core("memory-output-of-all-of-it", all_of_it(), ANY, "output_too_large"),
    ]
}

/// A valid JSON text of 60 MB.
fn all_of_it() -> WatGuest {
    let handle = "(memory.fill (i32.const 1024) (i32.const 49) (i32.const 60000000))
        (i32.store8 (i32.const 16) (i32.const 0)) (i32.store (i32.const 20) (i32.const 1024))
        (i32.store (i32.const 24) (i32.const 60000000)) (i32.const 16)";
    WatGuest { pages: 1000, ..WatGuest::new(handle) }
}

fn refused() -> Vec<Specimen> {
    let other = |name, memory: &'static str| {
        let make = move || {
            Template::from(include_str!("../../guests/zoo/plain.wat").to_owned())
                .fill("definitions", &format!("(core module $other {memory})"))
                .component()
        };
        MEMORY.bytes(name, make, ANY, "rejected:component-invalid")
    };
    vec![
        other("memory-64-bit", "(memory i64 1)"),
        other("memory-shared", "(memory 1 2 shared)"),
        other("memory-custom-page-size", "(memory 1 2 (pagesize 1))"),
        other("memory-table-64-bit", "(table i64 1 funcref)"),
    ]
}
