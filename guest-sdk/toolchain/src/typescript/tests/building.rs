//! What a build accepts, refuses and produces.

use wit_parser::decoding::{DecodedWasm, decode};

use super::{build_files, build_main};
use crate::error::{BuildError, Problem};

const HELLO: &str = "export default async function handle(input: unknown) { return input; }";

fn source_problem(result: Result<crate::Built, BuildError>) -> Problem {
    match result.unwrap_err() {
        BuildError::Source(problems) => problems.first().unwrap().clone(),
        other => panic!("not a source problem: {other:?}"),
    }
}

#[test]
fn a_component_imports_its_resources_and_little_else() {
    let built = build_main(HELLO).unwrap();
    let DecodedWasm::Component(resolve, world) = decode(&built.component).unwrap() else { panic!("not a component") };
    let mut imports: Vec<String> =
        resolve.worlds[world].imports.keys().map(|key| resolve.name_world_key(key)).collect();
    imports.sort();
    let expected = [
        "airlock:guest/context@1.0.0",
        "airlock:guest/log@1.0.0",
        "airlock:guest/types@1.0.0",
        "resources:crm/http@1.0.0",
        "resources:orders-db/sql@1.0.0",
        "wasi:clocks/monotonic-clock@0.2.9",
        "wasi:clocks/wall-clock@0.2.9",
        "wasi:random/random@0.2.9",
    ];
    assert_eq!(imports, expected);
    let exports: Vec<String> = resolve.worlds[world].exports.keys().map(|key| resolve.name_world_key(key)).collect();
    assert_eq!(exports, ["airlock:guest/handler@1.0.0"]);
    assert_eq!(built.sources, [("src/main.ts".to_owned(), HELLO.to_owned())]);
}

#[test]
fn one_source_gives_the_same_bytes_every_time() {
    assert_eq!(build_main(HELLO).unwrap().component, build_main(HELLO).unwrap().component);
}

#[test]
fn a_syntax_error_names_its_place() {
    let problem = source_problem(build_main("export default function handle() {\n  const = 1;\n}\n"));
    assert_eq!((problem.file.as_str(), problem.line, problem.column), ("src/main.ts", 2, 9), "{problem}");
}

#[test]
fn imports_that_lead_nowhere_name_their_place_and_a_fix() {
    let cases = [
        ("import x from \"lodash\";", "package"),
        ("import x from \"./missing\";", "does not exist"),
        ("import x from \"../../outside\";", "does not exist"),
        ("import { nope as x } from \"./other\";", "does not export `nope`"),
        ("import { billing as x } from \"@airlock/resources\";", "does not export `billing`"),
        ("const x = await import(\"./other\");", "`import(..)`"),
    ];
    for (line, expected) in cases {
        let main = format!("// first line\n{line}\n{HELLO}\nconsole.log(x);");
        let problem = source_problem(build_files(&[("src/main.ts", &main), ("src/other.ts", "export const a = 1;")]));
        assert_eq!((problem.file.as_str(), problem.line), ("src/main.ts", 2), "{line}: {problem}");
        assert!(problem.message.contains(expected) && !problem.fix.is_empty(), "{line}: {problem}");
    }
}

#[test]
fn a_file_outside_of_the_project_is_not_read() {
    let outside = tempfile::Builder::new().suffix(".ts").tempfile().unwrap();
    let link = tempfile::tempdir().unwrap();
    std::fs::write(link.path().join("function.toml"), super::MANIFEST).unwrap();
    std::fs::create_dir(link.path().join("src")).unwrap();
    std::fs::write(link.path().join("src/main.ts"), format!("import \"./secret\";\n{HELLO}")).unwrap();
    std::os::unix::fs::symlink(outside.path(), link.path().join("src/secret.ts")).unwrap();
    let project = crate::Project::load(link.path()).unwrap();
    let problem = source_problem(crate::build(&project, &super::options(), &mut |_| {}));
    assert!(problem.message.contains("outside of the project"), "{problem}");
}

#[test]
fn an_entry_without_default_export_is_refused() {
    let problem = source_problem(build_main("export const handle = 1;"));
    assert!(problem.message.contains("no default export"), "{problem}");
}

#[test]
fn failing_module_level_code_names_its_line() {
    for (line, expected, place) in [
        ("throw new Error(\"at build\");", "Error: at build", 3),
        ("await ordersDb.query(\"select 1\");", "calls the host", 3),
        ("context.current();", "calls the host", 0),
        ("for (;;) {}", "fuel", 0),
    ] {
        let main = format!(
            "import {{ ordersDb }} from \"@airlock/resources\";\nimport {{ context }} from \"@airlock/context\";\n{line}\n{HELLO}"
        );
        let error = build_main(&main).unwrap_err();
        let BuildError::Program(problem) = error else { panic!("{line}: {error:?}") };
        assert!(problem.message.contains(expected), "{line}: {problem}");
        assert_eq!((problem.file.as_str(), problem.line), ("src/main.ts", place), "{line}: {problem}");
        assert!(problem.fix.contains("handle"), "{line}: {problem}");
    }
}

#[test]
fn console_lines_of_module_level_code_are_warnings() {
    let built = build_main(&format!("console.log(\"early\", 1);\n{HELLO}")).unwrap();
    assert!(built.warnings.first().unwrap().message.contains("early 1"), "{:?}", built.warnings);
    assert_eq!(build_main(HELLO).unwrap().warnings, []);
}
