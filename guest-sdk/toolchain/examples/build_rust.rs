//! Builds Rust guest projects as `airlock build` does: `build_rust <target directory> <project>...`.

use std::path::Path;
use std::time::Instant;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    let target =
        arguments.next().ok_or_else(|| anyhow::anyhow!("usage: build_rust <target directory> <project>..."))?;
    for project in arguments {
        let start = Instant::now();
        let built = airlock_toolchain::rust::build(Path::new(&project), Path::new(&target))?;
        println!("{built} in {:.1} s, imports {:?}", start.elapsed().as_secs_f32(), built.imports);
        for warning in &built.warnings {
            eprintln!("{}", warning.rendered);
        }
    }
    Ok(())
}
