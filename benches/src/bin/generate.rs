//! `generate DIRECTORY [--dependencies COUNT] SERVICES…`: writes applications into `DIRECTORY/SERVICES/`, in which every
//! service waits for up to that many others (2), at most 3.

use std::{env, fs, io, path::Path};

fn main() -> io::Result<()> {
    let mut arguments = env::args().skip(1);
    let directory = arguments.next().unwrap_or_else(|| ".".to_owned());
    let mut dependencies = 2;
    let number = |text: &str| text.parse().map_err(|_| io::Error::other(format!("{text} is no number")));
    while let Some(size) = arguments.next() {
        if size == "--dependencies" {
            dependencies = number(&arguments.next().unwrap_or_default())?;
            continue;
        }
        let services = number(&size)?;
        let target = Path::new(&directory).join(&size);
        fs::create_dir_all(&target)?;
        for (name, text) in transship_benches::application(services, dependencies) {
            fs::write(target.join(name), text)?;
        }
    }
    Ok(())
}
