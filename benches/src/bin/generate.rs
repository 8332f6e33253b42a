//! `generate DIRECTORY SERVICES…`: writes applications into `DIRECTORY/SERVICES/`.

use std::{env, fs, io, path::Path};

fn main() -> io::Result<()> {
    let mut arguments = env::args().skip(1);
    let directory = arguments.next().unwrap_or_else(|| ".".to_owned());
    for size in arguments {
        let services = size.parse().map_err(|_| io::Error::other(format!("{size} is no number of services")))?;
        let target = Path::new(&directory).join(&size);
        fs::create_dir_all(&target)?;
        for (name, text) in transship_benches::application(services) {
            fs::write(target.join(name), text)?;
        }
    }
    Ok(())
}
