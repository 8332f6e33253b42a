//! A copy of the shop, and the real program that carries it.

use std::{
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value as Json;

use crate::cli_support::Shop;

/// What no output may ever hold.
pub const PASSWORD: &str = "only-for-the-example";

/// What a run of the program left.
pub struct Told {
    /// Its exit code.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Told {
    /// The run, when it ended with this code; else a panic with all it said.
    pub fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, code, "\n{}\n{}", self.out, self.err);
        self
    }

    /// Standard output as JSON.
    pub fn json(&self) -> Json {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.out))
    }
}

/// A copy of the shop, and the variables that the program is started with there.
pub struct Ship {
    pub shop: Shop,
    variables: Vec<(String, String)>,
}

impl Ship {
    /// A copy of its own with the environments `staging` and `production`, nothing locked; `variables` beside the search path, a home and a user.
    pub fn new(variables: &[(&str, &str)]) -> Self {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let shop = Shop::copy();
        for name in ["transship.lock", "compose.demo.yaml"] {
            std::fs::remove_file(shop.path().join(name)).unwrap();
        }
        // What fits the shop to a target comes after an environment's own overlay, and is no environment here.
        for target in ["swarm", "marathon"] {
            let _ = std::fs::rename(
                shop.path().join(format!("compose.{target}.yaml")),
                shop.path().join(format!("{target}.yaml")),
            );
        }
        Self { shop, variables: variables.iter().map(own).collect() }
    }

    /// Writes settings for `web` in which it looks up again and again what stands behind an address: where there are
    /// no virtual addresses, a name leads elsewhere whenever its service is renewed.
    pub fn look_up_again(&self, path: &str, address: &str) {
        let (settings, once) = (self.shop.read("web/nginx.conf"), "proxy_pass http://api:8000/;");
        assert_eq!(settings.matches(once).count(), 1, "{settings}");
        let again =
            format!("resolver 127.0.0.11 valid=1s;\n      set $api {address};\n      proxy_pass $api$request_uri;");
        self.shop.write(path, &settings.replace(once, &again));
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_transship"));
        command.current_dir(self.shop.path()).args(arguments).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", self.shop.path());
        command.env("USER", "tester").stdin(Stdio::null());
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs the program to its end. Whatever it says holds no secret.
    pub fn run(&self, arguments: &[&str]) -> Told {
        Self::told(&self.command(arguments).output().unwrap())
    }

    fn told(output: &std::process::Output) -> Told {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let told =
            Told { code: output.status.code().unwrap_or(-1), out: text(&output.stdout), err: text(&output.stderr) };
        for said in [&told.out, &told.err] {
            assert!(!said.contains(PASSWORD), "{said}");
        }
        told
    }

    /// Starts the program, and leaves it running.
    pub fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// What a program that was started left.
    pub fn end(child: Child) -> Told {
        Self::told(&child.wait_with_output().unwrap())
    }

    /// The digests of the lock file.
    pub fn locked(&self) -> Vec<String> {
        let text = self.shop.read("transship.lock");
        let digests = text.lines().filter_map(|line| line.trim().strip_prefix("digest: "));
        digests.map(|digest| digest.trim_matches('"').to_owned()).collect()
    }
}

/// The front page under an address, as `name: value` lines; waits until it is served.
pub fn page(address: &str) -> Vec<(String, String)> {
    let text = until("the front page", Duration::from_secs(30), || {
        let output = Command::new("curl").args(["-fsS", "-m", "5", &format!("http://{address}/")]).output();
        output.ok().filter(|output| output.status.success()).map(|output| output.stdout)
    });
    let text = String::from_utf8(text).unwrap();
    let pairs = text.lines().filter_map(|line| line.split_once(": "));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Asks until there is an answer, for so long.
pub fn until<T>(what: &str, within: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + within;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < end, "{what}: not within {} s", within.as_secs());
        std::thread::sleep(Duration::from_millis(100));
    }
}
