//! Questions as JSON lines on standard input, one answer each.

use std::{
    io::{BufRead, BufReader, BufWriter, Read, Write},
    process::ExitCode,
};

use serde::Serialize;

/// Longest input line, in bytes: a text of the largest size with every character escaped fits.
const LINE_BYTES_MAX: u64 = 2 << 20;

/// Answers line by line, in order, in memory that does not grow. What is asked is a line, or why there is none.
pub fn answer<T: Serialize>(answer: impl Fn(Result<&[u8], String>, u64) -> T) -> anyhow::Result<ExitCode> {
    let mut input = BufReader::new(std::io::stdin().lock());
    let mut output = BufWriter::new(std::io::stdout().lock());
    let mut line = Vec::new();
    let mut number: u64 = 0;
    loop {
        // The next read may wait for whoever waits for these answers.
        if !input.buffer().contains(&b'\n') {
            output.flush()?;
        }
        line.clear();
        if input.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line)? == 0 {
            return Ok(ExitCode::SUCCESS);
        }
        number += 1;
        let is_whole = line.ends_with(b"\n") || input.fill_buf()?.is_empty();
        let asked = if is_whole { Ok(line.as_slice()) } else { Err(too_long(&mut input, number)?) };
        serde_json::to_writer(&mut output, &answer(asked, number))?;
        output.write_all(b"\n")?;
    }
}

fn too_long(input: &mut impl BufRead, number: u64) -> std::io::Result<String> {
    input.skip_until(b'\n')?;
    Ok(format!("line {number}: longer than {LINE_BYTES_MAX} bytes"))
}
