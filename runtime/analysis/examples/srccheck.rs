fn main() {
    for path in std::env::args().skip(1) {
        let text = std::fs::read_to_string(&path).unwrap();
        let language = airlock_analysis::source::Language::of_file(&path).unwrap();
        let project = airlock_analysis::source::Project::loose(&path, &text, language, None);
        let report = airlock_analysis::source::check_project(&project);
        for f in &report.findings { println!("{}:{}:{} {} {}\n    fix {}", f.file, f.line, f.column, f.rule, f.message, f.fix); }
        for s in &report.statements { println!("{}:{} ok {:?} {:?} {}", s.file, s.line, s.class, s.resource, s.text); }
    }
}
