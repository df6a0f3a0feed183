//! Samples the command lines and environments of all processes below a server, and the files in its directory.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::time::Duration;

use super::search::Places;
use crate::harness::descendants;

/// Interval between samples; helm runs for longer.
const EVERY: Duration = Duration::from_millis(4);
/// Larger files are read at the end only.
const FILE_MAX: u64 = 1024 * 1024;

pub(super) struct Sampler {
    stop: Sender<()>,
    sampling: std::thread::JoinHandle<HashSet<(String, String)>>,
}

impl Sampler {
    pub(super) fn start(server: u32, directory: PathBuf) -> Self {
        let (stop, stopped) = channel();
        Self { stop, sampling: std::thread::spawn(move || sample(server, &directory, &stopped)) }
    }

    pub(super) fn stop(self) -> Places {
        drop(self.stop);
        self.sampling.join().unwrap().into_iter().collect()
    }
}

fn sample(server: u32, directory: &Path, stopped: &Receiver<()>) -> HashSet<(String, String)> {
    let mut seen = HashSet::new();
    while stopped.try_recv() == Err(TryRecvError::Empty) {
        for pid in descendants(server) {
            // Until it executes its program, a new process is a copy of the server, and has its arguments.
            let arguments = |pid| std::fs::read(format!("/proc/{pid}/cmdline")).ok();
            let copy = arguments(pid).is_some_and(|own| arguments(server) == Some(own));
            for (file, what) in [("cmdline", "arguments"), ("environ", "environment")] {
                let Ok(bytes) = std::fs::read(format!("/proc/{pid}/{file}")) else { continue };
                let text = String::from_utf8_lossy(&bytes).replace('\0', "\n");
                let whose = if copy { "of the server" } else { "of a process below the server" };
                seen.insert((format!("{what} {whose}"), text));
            }
        }
        files(directory, FILE_MAX, &mut |path, text| {
            seen.insert((format!("file {}", path.display()), text));
        });
        std::thread::sleep(EVERY);
    }
    seen
}

/// Reads all files below a directory, except the log.
pub(super) fn files(directory: &Path, most: u64, found: &mut impl FnMut(&Path, String)) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let (path, Ok(kind)) = (entry.path(), entry.file_type()) else { continue };
        if kind.is_dir() {
            files(&path, most, found);
        } else if kind.is_file()
            && path.extension().is_none_or(|end| end != "log")
            && entry.metadata().is_ok_and(|metadata| metadata.len() <= most)
            && let Ok(bytes) = std::fs::read(&path)
        {
            found(&path, String::from_utf8_lossy(&bytes).into_owned());
        }
    }
}
