//! `peers FILE`: how fast the same file is read by what a Rust program would use instead, and how far they get.
//!
//! `serde_yaml` reads YAML and nothing more: no positions, no merge keys, no variables. `docker-compose-types` binds
//! that to types of one file. transship loads: variables, merge, the specification, canonical form, places.

use std::{env, fs, io, sync::Arc, time::Instant};

use transship::{
    compose::{Request, configuration},
    session::Disk,
    value::{FileRole, Origins, Secrets},
    yaml,
};

const RUNS: u32 = 10;

/// The best of some runs, in milliseconds.
fn time(name: &str, bytes: usize, mut run: impl FnMut() -> Result<(), String>) {
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
    let rate = bytes as f64 / best / 1e6;
    println!("{name:32} {:9.2} ms  {rate:7.1} MB/s", best * 1e3);
}

fn main() -> io::Result<()> {
    let path = env::args().nth(1).ok_or_else(|| io::Error::other("name a file"))?;
    let text = fs::read_to_string(&path)?;
    let directory = fs::canonicalize(&path)?.parent().map(|parent| parent.display().to_string()).unwrap_or_default();
    let size = text.len();
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
