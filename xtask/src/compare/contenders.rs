//! Who is compared, as data: a row a contender.
//!
//! A row says what server to start, what to ask it, and what it is called. Another runtime is another row, and where it is another
//! program, another [`Server`] and its command in `servers.rs`.

use super::Peer;

/// What is started for a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    /// `benches/hyper-floor`.
    Hyper,
    /// The daemon with the samples behind routes: [`SAMPLES`].
    Lamina,
    /// The daemon with so many functions, each with code of its own.
    LaminaFunctions(u32),
    /// `wasmtime serve`; with `reuse` an instance serves as many requests as it can.
    Wasmtime {
        /// Whether an instance serves more than one request.
        reuse: bool,
    },
    /// `workerd serve`.
    Workerd,
}

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// `GET` of this path, at the port for functions.
    Get(&'static str),
    /// `Invoke` of the functions `f1` to this many, at random, at the port of the AWS APIs.
    Invoke(u32),
}

/// How many cores the server gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cores {
    /// Those of `--server-cores`.
    Given,
    /// One more.
    OneMore,
}

/// A row of the comparison.
#[derive(Debug, Clone)]
pub struct Contender {
    /// Its name in results and targets.
    pub id: String,
    /// What the table and the chart call it.
    pub label: String,
    /// Whose it is, which gives the bar its colour.
    pub family: Family,
    /// What is started.
    pub server: Server,
    /// What is asked.
    pub ask: Ask,
    /// On how much.
    pub cores: Cores,
}

/// Whose a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// The floor.
    Floor,
    /// Ours.
    Lamina,
    /// Another's.
    Peer,
}

/// A function of [`Server::Lamina`]; it has the route `/<name>`.
pub struct Sample {
    /// Its name.
    pub name: &'static str,
    /// What it is deployed from.
    pub package: Package,
    /// `reuse` or `fresh`.
    pub sandbox: &'static str,
}

/// What a sample is deployed from.
#[derive(Debug, Clone, Copy)]
pub enum Package {
    /// A guest in `<target>/guests`.
    Guest(&'static str),
    /// Source code in `benches/interpreted`, the runtime that it names, and its handler.
    Source(&'static str, &'static str, &'static str),
}

const fn sample(name: &'static str, package: Package, sandbox: &'static str) -> Sample {
    Sample { name, package, sandbox }
}

/// The samples.
pub const SAMPLES: [Sample; 6] = [
    sample("event", Package::Guest("hello.wasm"), "reuse"),
    sample("event-fresh", Package::Guest("hello.wasm"), "fresh"),
    sample("http", Package::Guest("hello-http.wasm"), "reuse"),
    sample("http-fresh", Package::Guest("hello-http.wasm"), "fresh"),
    sample("javascript", Package::Source("javascript", "nodejs22.x", "index.handler"), "reuse"),
    sample("python", Package::Source("python", "python3.13", "lambda_function.lambda_handler"), "reuse"),
];

/// The rows: their order is the table's, and that of measuring within a round. `functions` are the larger deployments.
pub fn all(functions: &[u32]) -> Vec<Contender> {
    use {Ask::Get, Family::*};
    let row = |id: &str, label: &str, family, server, ask| Contender {
        id: id.to_owned(),
        label: label.to_owned(),
        family,
        server,
        ask,
        cores: Cores::Given,
    };
    let mut rows = vec![
        row("hyper", "bare hyper", Floor, Server::Hyper, Get("/")),
        row("lamina-event", "Lamina, event function", Lamina, Server::Lamina, Get("/event")),
        row("lamina-event-fresh", "Lamina, event function, fresh", Lamina, Server::Lamina, Get("/event-fresh")),
        row("lamina-http", "Lamina, HTTP function", Lamina, Server::Lamina, Get("/http")),
        row("lamina-http-fresh", "Lamina, HTTP function, fresh", Lamina, Server::Lamina, Get("/http-fresh")),
        row("wasmtime-reuse", "wasmtime serve, reuse", Peer, Server::Wasmtime { reuse: true }, Get("/")),
        row("wasmtime-fresh", "wasmtime serve, fresh", Peer, Server::Wasmtime { reuse: false }, Get("/")),
        row("workerd", "workerd (JavaScript)", Peer, Server::Workerd, Get("/")),
        row("lamina-javascript", "Lamina, JavaScript function", Lamina, Server::Lamina, Get("/javascript")),
        row("lamina-python", "Lamina, Python function", Lamina, Server::Lamina, Get("/python")),
    ];
    for &count in std::iter::once(&1).chain(functions) {
        let plural = if count == 1 { "function" } else { "functions" };
        rows.push(row(
            &format!("lamina-invoke-{count}"),
            &format!("Lamina, Invoke, {} {plural}", super::words::count(u64::from(count))),
            Lamina,
            Server::LaminaFunctions(count),
            Ask::Invoke(count),
        ));
    }
    for (id, label, path) in [
        ("lamina-event-2", "Lamina, event function, one core more", "/event"),
        ("lamina-http-2", "Lamina, HTTP function, one core more", "/http"),
    ] {
        let mut more = row(id, label, Lamina, Server::Lamina, Get(path));
        more.cores = Cores::OneMore;
        rows.push(more);
    }
    rows
}

impl Contender {
    /// Which peer's program it needs.
    pub fn peer(&self) -> Option<Peer> {
        match self.server {
            Server::Wasmtime { .. } => Some(Peer::Wasmtime),
            Server::Workerd => Some(Peer::Workerd),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn ids_are_unique_and_deployments_have_rows() {
        let rows = all(&[1000, 10_000]);
        let ids: BTreeSet<&str> = rows.iter().map(|row| row.id.as_str()).collect();
        assert_eq!(ids.len(), rows.len());
        assert!(ids.contains("lamina-invoke-1") && ids.contains("lamina-invoke-10000"));
        assert!(rows.iter().any(|row| row.label == "Lamina, Invoke, 10,000 functions"));
    }
}
