//! What must still work behind the wall.

use std::{
    fs,
    io::Read as _,
    net::{TcpStream, ToSocketAddrs as _},
    path::Path,
    process::Command,
};

use airlock_sandbox::{Engine, EngineOptions, engine};
use airlock_service::config::ResourceConfig;
use serde_json::{Value, json};

use crate::Aims;

type Checked = Result<(), String>;
type Check = dyn Fn(&Aims) -> Checked;

pub fn all(aims: &Aims) -> Vec<Value> {
    let checks: [(&str, &Check); 11] = [
        ("read the configuration", &|aims| said(fs::read(&aims.config_file))),
        ("read a configuration that replaced the old one", &read_replaced),
        ("write, rename and remove in the state directory", &use_state),
        ("change a database and its journal", &change_database),
        ("connect to the port of a resource", &|aims| said(TcpStream::connect(("127.0.0.1", aims.listener_port)))),
        ("resolve a name", &|_| said(("localhost", 80).to_socket_addrs())),
        ("open a datagram socket", &|_| said(std::net::UdpSocket::bind("127.0.0.1:0"))),
        ("start this program again", &start_again),
        ("start threads", &|_| said(std::thread::spawn(|| 1).join().map_err(|_| "no thread"))),
        ("reset memory with PAGEMAP_SCAN", &|_| holds(engine::has_pagemap_scan())),
        ("make the engine and its pool", &|_| {
            let options = EngineOptions { instances_max: 8, ..EngineOptions::default() };
            said(Engine::new(options))
        }),
    ];
    let told = |(name, check): (&str, &Check)| {
        let ended = check(aims);
        json!({ "name": name, "ok": ended.is_ok(), "why": ended.err() })
    };
    checks.into_iter().map(told).collect()
}

fn said<T, E: std::fmt::Debug>(ended: Result<T, E>) -> Checked {
    ended.map(drop).map_err(|why| format!("{why:?}"))
}

fn holds(fact: bool) -> Checked {
    if fact { Ok(()) } else { Err("no".to_owned()) }
}

/// The test renamed another file over this one after the wall was raised... by somebody outside.
fn read_replaced(aims: &Aims) -> Checked {
    let replaced = aims.config_file.with_file_name("replaced.toml");
    // Asks the test, which waits for this line.
    println!("replace {}", replaced.display());
    let mut answer = [0];
    std::io::stdin().read_exact(&mut answer).map_err(|why| why.to_string())?;
    said(fs::read(&replaced))
}

fn use_state(aims: &Aims) -> Checked {
    let dir = &aims.config.state.dir;
    let steps = || -> std::io::Result<()> {
        fs::create_dir_all(dir.join("shelf"))?;
        fs::write(dir.join("shelf/a"), "a")?;
        fs::rename(dir.join("shelf/a"), dir.join("shelf/b"))?;
        fs::remove_file(dir.join("shelf/b"))?;
        fs::remove_dir(dir.join("shelf"))
    };
    said(steps())
}

fn change_database(aims: &Aims) -> Checked {
    let resource = aims.config.resources.values().flat_map(ResourceConfig::bindings);
    let path = resource.filter_map(|(_, binding)| binding.needs().database).map(|(path, _)| path).next();
    let steps = |path: &Path| -> rusqlite::Result<()> {
        let database = rusqlite::Connection::open(path)?;
        database.execute_batch("CREATE TABLE walled (x); INSERT INTO walled VALUES (1); DROP TABLE walled")
    };
    said(steps(&path.ok_or("no database")?))
}

fn start_again(_: &Aims) -> Checked {
    let program = std::env::current_exe().map_err(|why| why.to_string())?;
    let output = Command::new(program).arg("hello").env_clear().output().map_err(|why| why.to_string())?;
    holds(output.stdout == b"hello\n")
}
