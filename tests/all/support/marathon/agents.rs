//! Agents that run tasks as containers: they start, look at and end them, while the server goes on answering.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use serde_json::Value as Json;

use super::{Containers, State};

/// How often a check may fail before a task counts as unhealthy, as Marathon's own default has it.
const FAILURES: u32 = 3;

/// What agents know and are to do.
pub(super) struct Agents {
    pub(super) containers: Arc<Containers>,
    /// Tasks whose containers go.
    ending: Vec<String>,
    /// Apps whose volumes go.
    forgotten: Vec<String>,
    /// Tasks whose containers were begun.
    begun: BTreeSet<String>,
    seen: BTreeMap<String, Seen>,
}

/// How a task was found.
#[derive(Clone, Debug)]
pub(super) enum Seen {
    Runs {
        healthy: bool,
        /// Checks that failed since the last that did not.
        failures: u32,
    },
    Ended(String),
}

/// One task with what it is made of.
type Known = (String, Json);

impl Agents {
    pub(super) fn new(containers: Containers) -> Self {
        Self {
            containers: Arc::new(containers),
            ending: Vec::new(),
            forgotten: Vec::new(),
            begun: BTreeSet::new(),
            seen: BTreeMap::new(),
        }
    }

    /// How a task was found last; `None` before it was begun.
    pub(super) fn seen(&self, task: &str) -> Option<&Seen> {
        self.seen.get(task)
    }

    /// The container of a task goes.
    pub(super) fn end(&mut self, task: &str) {
        self.seen.remove(task);
        self.ending.push(task.to_owned());
    }

    /// The volumes that only an app had go.
    pub(super) fn forget(&mut self, app: &str) {
        self.forgotten.push(app.to_owned());
    }
}

/// Agents at work, until they are told to stop.
pub(super) struct Work {
    stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Work {
    pub(super) fn begin(state: &Arc<Mutex<State>>) -> Self {
        let stopped = Arc::new(AtomicBool::new(false));
        let (stop, state) = (Arc::clone(&stopped), Arc::clone(state));
        let thread = thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                round(&state);
                thread::sleep(Duration::from_millis(50));
            }
        });
        Self { stopped, thread: Some(thread) }
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Ends, starts and looks at what there is, then lets everything go on by one step. Nobody waits for the engine.
fn round(state: &Mutex<State>) {
    let (containers, ending, forgotten, files, secrets, fresh, running) = {
        let mut state = state.lock().unwrap();
        let all: Vec<Known> = state
            .apps
            .values()
            .flat_map(|app| app.tasks.iter().map(|task| (task.id.clone(), app.definition.clone())))
            .collect();
        let (files, secrets) = (state.files.clone(), state.secrets.clone());
        let Some(agents) = &mut state.agents else { return };
        let (running, fresh): (Vec<Known>, Vec<Known>) =
            all.into_iter().partition(|(task, _)| agents.begun.contains(task));
        agents.begun.extend(fresh.iter().map(|(task, _)| task.clone()));
        let (ending, forgotten) = (std::mem::take(&mut agents.ending), std::mem::take(&mut agents.forgotten));
        (Arc::clone(&agents.containers), ending, forgotten, files, secrets, fresh, running)
    };
    containers.remove(&ending);
    forgotten.iter().for_each(|app| containers.forget(app));
    let (containers, files, secrets) = (&*containers, &files, &secrets);
    let (failed, healthy): (Vec<_>, BTreeMap<&str, bool>) = thread::scope(|scope| {
        let starts: Vec<_> = fresh
            .iter()
            .map(|(task, app)| (task, scope.spawn(move || containers.run(task, app, files, secrets))))
            .collect();
        let looks: Vec<_> = running
            .iter()
            .map(|(task, app)| (task.as_str(), scope.spawn(move || containers.healthy(task, app))))
            .collect();
        let failed = starts.into_iter().filter_map(|(task, start)| Some((task, start.join().unwrap().err()?)));
        (failed.collect(), looks.into_iter().map(|(task, look)| (task, look.join().unwrap())).collect())
    });
    let begun: Vec<&str> = fresh.iter().chain(&running).map(|(task, _)| task.as_str()).collect();
    let ended = containers.ended(&begun);
    let mut state = state.lock().unwrap();
    if let Some(agents) = &mut state.agents {
        for task in begun {
            let was = match agents.seen.get(task) {
                Some(Seen::Runs { healthy, failures }) => (*healthy, *failures),
                _ => (false, 0),
            };
            let seen = match (ended.get(task), healthy.get(task)) {
                (Some(words), _) => Seen::Ended(words.clone()),
                (None, Some(true)) => Seen::Runs { healthy: true, failures: 0 },
                (None, _) => Seen::Runs { healthy: was.0 && was.1 + 1 < FAILURES, failures: was.1 + 1 },
            };
            agents.seen.insert(task.to_owned(), seen);
        }
        for (task, words) in failed {
            agents.seen.insert(task.clone(), Seen::Ended(words));
        }
    }
    state.tick();
}
