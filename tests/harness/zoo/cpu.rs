//! Guests that keep a core busy.

use super::{
    Group, Specimen,
    wat::{ANY, LITTLE_FUEL, LITTLE_TIME, Maker, ONE, Template},
};
use crate::guests::WatGuest;

const CPU: Maker = Maker(Group::Cpu);

pub(super) fn specimens() -> Vec<Specimen> {
    let mut all = loops();
    all.extend(bulk());
    all.extend(beside_the_handler());
    all.extend(tasks());
    all
}

/// `body` for ever, in `handle`.
fn for_ever(body: &str) -> WatGuest {
    WatGuest::new(&format!(
        "(local $i i32) (local $f f64) (local $v v128) (loop $again {body} (br $again)) unreachable"
    ))
}

fn loops() -> Vec<Specimen> {
    let costless = format!("{} {}", "nop ".repeat(50), "(block (block nop)) (drop (i32.const 1))".repeat(50));
    let table = "(table $t 2 2 funcref) (elem (i32.const 0) $f $f) (func $f)";
    let target = "(br_table $again $again (i32.and (local.get $i) (i32.const 1)))";
    let float = "(local.set $f (f64.sqrt (f64.div (f64.add (local.get $f) (f64.const 1e-310)) (f64.const 3))))";
    let vector = "(local.set $v (i32x4.mul (i32x4.add (local.get $v) (v128.const i32x4 1 2 3 4)) (local.get $v)))";
    let division = "(local.set $i (i32.rem_u (i32.const -1) (i32.or (local.get $i) (i32.const 1))))";
    let dispatch = "(call_indirect $t (i32.and (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 1)))";
    let store = "(i32.store (i32.and (local.tee $i (i32.add (local.get $i) (i32.const 4096))) (i32.const 0x1fff0)) (i32.const 7))";
    vec![
        CPU.core("cpu-endless", for_ever(""), LITTLE_FUEL, "fuel_exhausted"),
        CPU.core("cpu-endless-until-the-deadline", for_ever(""), LITTLE_TIME, "time_exhausted"),
        CPU.core("cpu-costless-operators", for_ever(&costless), LITTLE_FUEL, "fuel_exhausted"),
        CPU.core("cpu-br-table", for_ever(target), LITTLE_FUEL, "fuel_exhausted"),
        CPU.core("cpu-call-indirect", for_ever(dispatch).fields(table), LITTLE_FUEL, "fuel_exhausted"),
        CPU.core("cpu-float", for_ever(float), LITTLE_TIME, "time_exhausted"),
        CPU.core("cpu-division", for_ever(division), LITTLE_TIME, "time_exhausted"),
        CPU.core("cpu-simd", for_ever(vector), LITTLE_FUEL, "fuel_exhausted"),
        CPU.core("cpu-cache-misses", for_ever(store), LITTLE_TIME, "time_exhausted"),
    ]
}

fn bulk() -> Vec<Specimen> {
    const TABLES: &str = "(table $t 9000 funcref) (table $u 9000 funcref)";
    let large = |body: &str| WatGuest { pages: 500, ..for_ever(body) };
    let copy = "(memory.copy (i32.const 0) (i32.const 1) (i32.const 32000000))";
    let fill = "(memory.fill (i32.const 0) (i32.const 7) (i32.const 32000000))";
    let nothing = "(memory.fill (i32.const 0) (i32.const 7) (i32.const 0))";
    let init = "(memory.init $d (i32.const 0) (i32.const 0) (i32.const 60000))";
    let data = format!("(data $d \"{}\")", "x".repeat(60_000));
    let table_copy = "(table.copy $t $u (i32.const 0) (i32.const 0) (i32.const 9000))";
    let table_fill = "(table.fill $t (i32.const 0) (ref.null func) (i32.const 9000))";
    let table_init = "(table.init $t $e (i32.const 0) (i32.const 0) (i32.const 100))";
    let element = format!("{TABLES} (func $f) (elem $e func {})", "$f ".repeat(100));
    vec![
        CPU.core("cpu-memory-copy", large(copy), LITTLE_TIME, "time_exhausted"),
        CPU.core("cpu-memory-copy-fuel", large(copy), LITTLE_FUEL, "fuel_exhausted"),
        CPU.core("cpu-memory-fill", large(fill), LITTLE_TIME, "time_exhausted"),
        CPU.core("cpu-memory-fill-nothing", large(nothing), LITTLE_TIME, "time_exhausted"),
        CPU.core("cpu-memory-init", for_ever(init).fields(&data), LITTLE_TIME, "time_exhausted"),
        CPU.core("cpu-table-copy", for_ever(table_copy).fields(TABLES), LITTLE_TIME, "time_exhausted"),
        CPU.core("cpu-table-fill", for_ever(table_fill).fields(TABLES), LITTLE_TIME, "time_exhausted"),
        CPU.core("cpu-table-init", for_ever(table_init).fields(&element), LITTLE_TIME, "time_exhausted"),
    ]
}

/// Code that runs before, after and between what the handler does.
fn beside_the_handler() -> Vec<Specimen> {
    const SPIN: &str = "(loop $again (br $again))";
    let start = |body: &str| WatGuest::new(ONE).fields(&format!("(start $begin) (func $begin {body})"));
    let call_host = "(call_indirect (type $call) (i32.const 512) (i32.const 0))";
    let post_return = |body: &str| {
        let text = include_str!("../../guests/zoo/plain.wat").replace("{{post-return}}", body);
        Template::from(text)
    };
    vec![
        CPU.core("cpu-start-endless", start(SPIN), LITTLE_FUEL, "fuel_exhausted"),
        CPU.core("cpu-start-endless-until-the-deadline", start(SPIN), LITTLE_TIME, "time_exhausted"),
        CPU.core("cpu-start-traps", start("unreachable"), ANY, "guest_trap"),
        CPU.text("cpu-realloc-endless", Template::host("").fill("realloc", SPIN), LITTLE_FUEL, "fuel_exhausted"),
        CPU.text("cpu-realloc-calls-the-host", Template::host("").fill("realloc", call_host), ANY, "guest_trap"),
        CPU.text("cpu-post-return-endless", post_return(SPIN), LITTLE_FUEL, "fuel_exhausted"),
        CPU.text("cpu-post-return-endless-until-the-deadline", post_return(SPIN), LITTLE_TIME, "time_exhausted"),
        CPU.text("cpu-post-return-traps", post_return("unreachable"), ANY, "guest_trap"),
        CPU.text("cpu-post-return-returns", post_return(""), ANY, "returned"),
    ]
}

fn tasks() -> Vec<Specimen> {
    let spin = |body: &str| Template::task(&format!("{body} (br $again)) unreachable"));
    let yields = Template::task("(i32.const 1)").fill("callback", "(i32.const 1)");
    let yield_in_place = spin("(loop $again (drop (call $thread-yield))");
    let poll =
        spin("(local.set $a (call $set-new)) (loop $again (drop (call $set-poll (local.get $a) (i32.const 64)))");
    let sets = spin("(loop $again (call $set-drop (call $set-new))");
    let streams = spin(
        "(loop $again (local.set $b (call $stream-new))
         (call $stream-drop-readable (call $readable (local.get $b)))
         (call $stream-drop-writable (call $writable (local.get $b)))",
    );
    let subtasks = spin(
        "(loop $again (local.set $a (call $slow)) (drop (call $subtask-cancel (local.get $a)))
         (call $subtask-drop (local.get $a))",
    );
    let short_waits = Template::task("(i32.const 1)").fill(
        "callback",
        "(local $set i32) (local.set $set (call $set-new))
         (call $join (i32.shr_u (call $wait-for (i64.const 1)) (i32.const 4)) (local.get $set)) (i32.const 1)",
    );
    // The answer is given; what the task does afterwards is nobody's business and must not be paid for.
    let after = spin("(call $done) (loop $again");
    let waits_after = Template::task(
        "(local.set $a (call $set-new)) (call $join (call $slow) (local.get $a)) (call $done) (call $wait (local.get $a))",
    );
    let callback = Template::task("(i32.const 1)").fill("callback", "(loop $again (br $again)) unreachable");
    vec![
        CPU.text("cpu-yields-for-ever", yields, LITTLE_TIME, "time_exhausted"),
        CPU.text("cpu-yields-in-place", yield_in_place, LITTLE_TIME, "time_exhausted"),
        CPU.text("cpu-polls-an-empty-set", poll, LITTLE_TIME, "time_exhausted"),
        CPU.text("cpu-makes-and-drops-sets", sets, LITTLE_TIME, "time_exhausted"),
        CPU.text("cpu-makes-and-drops-streams", streams, LITTLE_TIME, "time_exhausted"),
        CPU.text("cpu-makes-and-cancels-subtasks", subtasks, LITTLE_TIME, "time_exhausted"),
        CPU.text("cpu-asks-who-it-is", ask_for_ever(), LITTLE_TIME, "time_exhausted"),
        CPU.text("cpu-starts-short-waits", short_waits, ANY, "handles_exhausted"),
        CPU.text("cpu-endless-after-the-answer", after, LITTLE_FUEL, "fuel_exhausted"),
        CPU.text("cpu-waits-after-the-answer", waits_after, ANY, "returned"),
        CPU.text("cpu-callback-endless", callback, LITTLE_FUEL, "fuel_exhausted"),
        CPU.text("cpu-copies-strings-inside", between("utf8"), LITTLE_TIME, "rejected:component-composed"),
        CPU.text("cpu-transcodes-strings-inside", between("utf16"), LITTLE_TIME, "rejected:component-composed"),
    ]
}

/// Host calls that are answered at once and cost so much fuel that no interval between two yields ends.
fn ask_for_ever() -> Template {
    Template::host("(loop $again (call $current (i32.const 512)) (br $again))")
        .fill("realloc", "(return (i32.const 4096))")
}

/// Two components that hand a string of 12 MB to and fro, by one instruction each time: the host copies and transcodes,
/// and no fuel pays for it. Deploy takes no two components with code.
fn between(encoding: &str) -> Template {
    Template::nested("(loop $again (call $f (i32.const 2048) (i32.const 12000000)) (br $again))")
        .fill("pages", "400")
        .fill("inner", r#"(func (export "f") (param i32 i32))"#)
        .fill("signature", r#"(param "text" string)"#)
        .fill("options", &format!("string-encoding={encoding}"))
        .fill("core", "(param i32 i32)")
}
