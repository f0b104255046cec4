use airlock_analysis::{Dialect, classify};
use std::io::{BufRead, Write};
fn main() {
    std::thread::Builder::new()
        .stack_size(2 << 20)
        .spawn(|| {
            let mut out = std::io::stdout();
            for line in std::io::stdin().lock().lines() {
                let line = line.unwrap();
                let p: Vec<&str> = line.split('\t').collect();
                let n: usize = p[3].parse().unwrap();
                let text = format!("{}{}{}", p[1], p[2].repeat(n), p[4]);
                writeln!(out, "> {line}").unwrap();
                out.flush().unwrap();
                let start = std::time::Instant::now();
                let v = classify(p[0].parse().unwrap(), &text);
                let t = start.elapsed().as_millis();
                let ok = v.is_ok();
                writeln!(out, "< {t} {ok}").unwrap();
            }
        })
        .unwrap()
        .join()
        .unwrap();
    let _ = Dialect::ALL;
}
