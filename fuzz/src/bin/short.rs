//! Short forms: ports, volumes, devices, hosts, commands, sizes, durations.
#![no_main]

use transship_fuzz::{load, quoted};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let value = quoted(&text.replace('$', "$$"));
    for line in [
        "ports: [@]", "volumes: [@]", "devices: [@]", "extra_hosts: [@]", "command: @", "mem_limit: @",
        "stop_grace_period: @", "build: {ssh: [@], additional_contexts: [@]}", "ulimits: {n: @}", "tmpfs: [@]",
        "configs: [{source: c, mode: @}]", "links: [@]",
    ] {
        let compose = format!("services:\n  a:\n    image: a\n    {}\n", line.replace('@', &value));
        load(&[("compose.yaml", compose.as_bytes())]);
    }
});
