//! The token of DC/OS, from where its own program keeps it.

use std::{fs, path::Path};

/// Variables that hold a token, the first of which counts.
const VARIABLES: &[&str] = &["DCOS_CLUSTER_SETUP_ACS_TOKEN", "DCOS_ACS_TOKEN"];

/// The token for an address: from a variable, or what `dcos auth login` left for that cluster.
pub fn token(url: &str, variable: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let own = VARIABLES.iter().filter_map(|name| variable(name)).find(|token| !token.trim().is_empty());
    if let Some(own) = own {
        return Some(own.trim().to_owned());
    }
    let folder = variable("DCOS_DIR").or_else(|| Some(format!("{}/.dcos", variable("HOME")?)))?;
    let clusters = fs::read_dir(Path::new(&folder).join("clusters")).ok()?;
    let mut files: Vec<_> = clusters.filter_map(|entry| Some(entry.ok()?.path().join("dcos.toml"))).collect();
    files.sort();
    files.iter().filter_map(|path| fs::read_to_string(path).ok()).find_map(|text| of_cluster(&text, url))
}

/// The token in a file of settings, where that is about the cluster of an address.
fn of_cluster(text: &str, url: &str) -> Option<String> {
    let setting = |name: &str| {
        text.lines().find_map(|line| {
            let (key, value) = line.split_once('=')?;
            (key.trim() == name).then(|| value.trim().trim_matches('"').to_owned())
        })
    };
    let cluster = setting("dcos_url")?;
    let below = url.strip_prefix(cluster.trim_end_matches('/'))?;
    (below.is_empty() || below.starts_with('/')).then(|| setting("dcos_acs_token"))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_belongs_to_its_cluster() {
        let text = "[core]\ndcos_url = \"https://dcos.example.com\"\ndcos_acs_token = \"t0ken\"\n";
        assert_eq!(of_cluster(text, "https://dcos.example.com/service/marathon").as_deref(), Some("t0ken"));
        assert_eq!(of_cluster(text, "https://dcos.example.com.evil.com/service/marathon"), None);
        assert_eq!(of_cluster(text, "https://other.example.com/"), None);
    }
}
