//! `peers FILE`: how fast the same file is read by what a Rust program would use instead, and how far they get.
//!
//! `granit-parser` gives events with positions and makes nothing of them. `serde_yaml` reads YAML and nothing more: no
//! positions, no merge keys, no variables. `docker-compose-types` binds that to types of one file. transship loads:
//! variables, merge, the specification, canonical form, places. Rates count the events of the file, however it is read.

use std::{env, fs, io, sync::Arc, time::Instant};

use granit_parser::Parser;
use transship::{
    compose::{Request, configuration},
    session::Disk,
    value::{FileRole, Origins, Secrets},
    yaml,
};

const RUNS: u32 = 10;

/// How much there is to read.
#[derive(Clone, Copy)]
struct Size {
    bytes: usize,
    events: usize,
}

/// The best of some runs, in milliseconds.
fn time(name: &str, size: Size, mut run: impl FnMut() -> Result<(), String>) {
    let mut best = f64::INFINITY;
    for _ in 0..RUNS {
        let begin = Instant::now();
        if let Err(why) = run() {
            println!("{name:32} refuses the file: {why}");
            return;
        }
        best = best.min(begin.elapsed().as_secs_f64());
    }
    #[allow(clippy::cast_precision_loss, reason = "a rate")]
    let [bytes, events] = [size.bytes, size.events].map(|count| count as f64 / best / 1e6);
    println!("{name:32} {:9.2} ms  {bytes:7.1} MB/s  {events:6.2} million events/s", best * 1e3);
}

fn main() -> io::Result<()> {
    let path = env::args().nth(1).ok_or_else(|| io::Error::other("name a file"))?;
    let text = fs::read_to_string(&path)?;
    let directory = fs::canonicalize(&path)?.parent().map(|parent| parent.display().to_string()).unwrap_or_default();
    let size = Size { bytes: text.len(), events: Parser::new_from_str(&text).count() };
    time("granit-parser, events", size, || {
        let all = Parser::new_from_str(&text).try_for_each(|event| event.map(drop));
        all.map_err(|error| error.to_string())
    });
    time("serde_yaml, a value", size, || {
        serde_yaml::from_str::<serde_yaml::Value>(&text).map(drop).map_err(|error| error.to_string())
    });
    time("docker-compose-types, a model", size, || {
        serde_yaml::from_str::<docker_compose_types::Compose>(&text).map(drop).map_err(|error| error.to_string())
    });
    time("transship, a tree with places", size, || {
        let origins = Origins::new();
        yaml::parse(text.as_bytes(), &path, FileRole::Compose, &origins).map(drop).map_err(|all| format!("{all:?}"))
    });
    time("transship, the whole load", size, || {
        let request = Request {
            files: vec![path.clone()],
            working_directory: directory.clone(),
            environment: [("DATABASE_HOST".to_owned(), "db".to_owned())].into(),
            ..Request::default()
        };
        let request = Request { files: vec![format!("{directory}/compose.yaml")], ..request };
        configuration(&request, &Disk, &Origins::new(), &Arc::new(Secrets::default()))
            .map(drop)
            .map_err(|all| format!("{all:?}"))
    });
    Ok(())
}
