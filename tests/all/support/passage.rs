//! A way to an engine that can be closed, as when the engine is gone.

use std::{
    io::{self, Write as _},
    os::unix::net::{UnixListener, UnixStream},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// Passes on what comes to a socket, until it is told to be gone.
pub struct Passage {
    path: PathBuf,
    gone: Arc<AtomicBool>,
    _directory: tempfile::TempDir,
}

impl Passage {
    /// To the socket at an address of Docker, which is open.
    pub fn to(address: &str) -> Self {
        let target = address.strip_prefix("unix://").unwrap();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("engine.sock");
        let gone = Arc::new(AtomicBool::new(false));
        let listener = UnixListener::bind(&path).unwrap();
        let (target, stop) = (target.to_owned(), Arc::clone(&gone));
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if stop.load(Ordering::Relaxed) {
                    continue;
                }
                let Ok(server) = UnixStream::connect(&target) else { continue };
                for (mut from, mut to) in [
                    (client.try_clone().unwrap(), server.try_clone().unwrap()),
                    (server.try_clone().unwrap(), client.try_clone().unwrap()),
                ] {
                    let stop = Arc::clone(&stop);
                    std::thread::spawn(move || {
                        let _ = copy(&mut from, &mut to, &stop);
                        let _ = to.shutdown(std::net::Shutdown::Both);
                    });
                }
            }
        });
        Self { path, gone, _directory: directory }
    }

    /// The address it is reached at.
    pub fn address(&self) -> String {
        format!("unix://{}", self.path.display())
    }

    /// From now on nothing passes, and what did is cut off at its next byte.
    pub fn close(&self) {
        self.gone.store(true, Ordering::Relaxed);
    }

    /// From now on everything passes again.
    pub fn open(&self) {
        self.gone.store(false, Ordering::Relaxed);
    }
}

fn copy(from: &mut UnixStream, to: &mut UnixStream, stop: &AtomicBool) -> io::Result<()> {
    use io::Read as _;
    let mut buffer = [0; 16 * 1024];
    loop {
        let length = from.read(&mut buffer)?;
        if length == 0 || stop.load(Ordering::Relaxed) {
            return Ok(());
        }
        to.write_all(&buffer[..length])?;
    }
}
