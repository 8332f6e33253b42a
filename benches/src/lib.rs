//! Applications as people have them, in any size: one Compose file, one overlay, one `.env`.
//!
//! The same number always gives the same bytes.

use std::fmt::Write as _;

/// A file of an application: its name and its text.
pub type File = (&'static str, String);

const KINDS: &[&str] = &["api", "worker", "web", "scheduler", "gateway", "importer", "mailer", "search", "billing"];
const TEAMS: &[&str] = &["orders", "catalog", "payments", "accounts", "reports", "shipping"];

/// The name of a service.
pub fn name(index: usize) -> String {
    let (team, kind) = (TEAMS[index % TEAMS.len()], KINDS[index / TEAMS.len() % KINDS.len()]);
    format!("{team}-{kind}-{index}")
}

/// An application with so many services; each waits for so many of those in front of it, in the short form where they are
/// more than two.
pub fn application(services: usize, dependencies: usize) -> Vec<File> {
    let base = base(services, dependencies);
    vec![("compose.yaml", base), ("compose.production.yaml", overlay(services)), (".env", variables())]
}

fn variables() -> String {
    "REGISTRY=registry.example.com\nTAG=2026.11.3\nLOG_LEVEL=info\nDOMAIN=shop.example.com\nDATABASE_HOST=database\n"
        .to_owned()
}

const HEAD: &str = r#"name: shop

x-logging: &logging
  driver: json-file
  options:
    max-size: 10m
    max-file: "3"

x-environment: &environment
  LOG_LEVEL: ${LOG_LEVEL:-info}
  LOG_FORMAT: json
  TZ: Europe/Berlin
  OTEL_EXPORTER_OTLP_ENDPOINT: http://collector:4317
  DATABASE_HOST: ${DATABASE_HOST:?set the host of the database}

x-deploy: &deploy
  replicas: 2
  restart_policy: {condition: on-failure, delay: 5s, max_attempts: 3}
  resources:
    limits: {cpus: "0.50", memory: 256M}

services:
"#;

fn base(services: usize, dependencies: usize) -> String {
    let mut out = HEAD.to_owned();
    for index in 0..services {
        service(&mut out, index, dependencies);
    }
    out.push_str("\nnetworks:\n");
    for team in TEAMS {
        let _ = write!(out, "  {team}:\n    driver: bridge\n    labels:\n      com.example.team: {team}\n");
    }
    out.push_str("  edge: {}\n\nvolumes:\n");
    for index in (0..services).step_by(3) {
        let _ = writeln!(out, "  data-{index}:");
    }
    out.push_str("\nconfigs:\n  settings:\n    content: |\n      [server]\n      listen = 0.0.0.0:8080\n      level = ${LOG_LEVEL}\n");
    out
}

fn service(out: &mut String, index: usize, dependencies: usize) {
    let name = name(index);
    let team = TEAMS[index % TEAMS.len()];
    let port = 10_000 + index;
    let _ = write!(
        out,
        r#"  {name}:
    image: ${{REGISTRY}}/{team}/{name}:${{TAG:-latest}}
    restart: unless-stopped
    logging: *logging
    deploy: *deploy
    environment:
      <<: *environment
      SERVICE_NAME: {name}
      PUBLIC_URL: https://{name}.${{DOMAIN}}/
      DATABASE_URL: postgres://{team}:${{DATABASE_PASSWORD:-example}}@${{DATABASE_HOST}}:5432/{team}
      CACHE_URL: redis://cache:6379/{}
      WORKER_CONCURRENCY: {}
      FEATURE_{index}: "true"
    ports:
      - "{port}:8080"
      - target: 9090
        protocol: tcp
    networks:
      - {team}
      - edge
    configs:
      - source: settings
        target: /etc/app/settings.ini
    labels:
      com.example.team: {team}
      traefik.enable: "true"
      traefik.http.routers.{name}.rule: Host(`{name}.${{DOMAIN}}`)
    healthcheck:
      test: ["CMD", "curl", "-fsS", "http://127.0.0.1:8080/healthz"]
      interval: 15s
      timeout: 3s
      retries: 5
      start_period: 1m30s
    # State is kept where the service writes it.
    volumes:
      - ./config/{name}.yaml:/etc/app/config.yaml:ro
"#,
        index % 16,
        1 + index % 8,
    );
    if index.is_multiple_of(3) {
        let _ = writeln!(out, "      - data-{index}:/var/lib/app");
    }
    let others = waits_for(index, dependencies);
    if dependencies > 2 && !others.is_empty() {
        let names: Vec<String> = others.into_iter().map(self::name).collect();
        let _ = writeln!(out, "    depends_on: [{}]", names.join(", "));
    } else {
        if !others.is_empty() {
            out.push_str("    depends_on:\n");
        }
        for (number, other) in others.into_iter().enumerate() {
            let condition = if number == 0 { "service_healthy" } else { "service_started" };
            let _ = write!(out, "      {}:\n        condition: {condition}\n", self::name(other));
        }
    }
    if index.is_multiple_of(4) {
        out.push_str("    command: [\"serve\", \"--listen\", \"0.0.0.0:8080\", \"--metrics\", \"0.0.0.0:9090\"]\n");
    }
}

/// The services that one waits for, all in front of it: the second and the third about half as far, then a third.
fn waits_for(index: usize, count: usize) -> Vec<usize> {
    if index == 0 {
        return Vec::new();
    }
    let all = [Some(index / 2), (index / 2).checked_sub(1).filter(|_| index > 2), Some(index / 3)];
    let mut found = Vec::new();
    for other in all.into_iter().take(count).flatten() {
        if !found.contains(&other) {
            found.push(other);
        }
    }
    found
}

fn overlay(services: usize) -> String {
    let mut out = "services:\n".to_owned();
    for index in 0..services {
        let _ = write!(
            out,
            "  {}:\n    environment:\n      LOG_LEVEL: warn\n      REPLICA_OF: {}\n    deploy:\n      replicas: {}\n    labels:\n      com.example.environment: production\n",
            name(index),
            index % 7,
            2 + index % 3,
        );
    }
    out
}
