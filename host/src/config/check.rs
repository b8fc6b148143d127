//! What types alone do not say: bounds, and how values go together.

use super::Config;
use super::resources::{
    FunctionDeclaration, MappingDeclaration, QueueDeclaration, ScheduleDeclaration, is_schedule_name,
};
use crate::catalog::{Settings, runtimes, settings};
use crate::credentials::RoleArn;
use crate::ids::{Home, LayerName, QueueName, Version};
use crate::images::{self, ImageReference};
use crate::sandbox::signature::SigningKey;
use crate::telemetry::host_log;
use crate::triggers::http::{RouteConfig, RouteError, Router};
use std::collections::{BTreeMap, HashSet};
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::slice;

/// Takes the path of a key, what is wrong with its value, and a hint.
type Report<'a> = &'a mut dyn FnMut(&str, String, Option<String>);

/// Reports everything that is wrong with `config`.
pub(super) fn check(config: &Config, checks_keys: bool, report: Report<'_>) {
    listen(config, report);
    tls(config, report);
    if checks_keys {
        keys(config, report);
    }
    home(config, report);
    sections(config, report);
    layers(config, report);
    functions(config, report);
    routes(&config.routes, report);
    schedules(&config.schedules, report);
    queues(&config.queues, report);
    mappings(&config.mappings, report);
    signing_keys(&config.signing_keys, report);
}

fn signing_keys(keys: &[SigningKey], report: Report<'_>) {
    for (index, key) in keys.iter().enumerate() {
        if key.bytes().is_none() {
            let hint = "`lamina sign --new-key FILE` prints it".to_owned();
            let message = "must be an ed25519 public key: 32 bytes in base64".to_owned();
            report(&format!("signing_keys[{index}].public_key"), message, Some(hint));
        }
        let arn = &key.profile_version_arn;
        if !arn.starts_with("arn:aws") || arn.splitn(6, ':').count() < 6 || arn.contains(char::is_whitespace) {
            let hint = "such as arn:aws:signer:us-east-1:000000000000:/signing-profiles/release/0123456789".to_owned();
            let path = format!("signing_keys[{index}].profile_version_arn");
            report(&path, "must be the ARN of a signing profile version".to_owned(), Some(hint));
        }
    }
}

fn within(report: Report<'_>, path: &str, value: impl Into<u64>, bounds: RangeInclusive<u64>) {
    let value = value.into();
    if !bounds.contains(&value) {
        let (least, most) = (bounds.start(), bounds.end());
        report(path, format!("must be from {least} to {most}, not {value}"), None);
    }
}

fn listen(config: &Config, report: Report<'_>) {
    let listen = &config.listen;
    let all = [
        ("listen.api_addr", listen.api_addr),
        ("listen.http_addr", listen.http_addr),
        ("listen.admin_addr", listen.admin_addr),
    ];
    for (index, (path, address)) in all.iter().enumerate() {
        let taken = |other: &&(&str, SocketAddr)| other.1 == *address && address.port() != 0;
        if let Some((other, _)) = all.iter().take(index).find(taken) {
            report(path, format!("{address} is {other} already"), None);
        }
    }
}

/// Whoever reaches the AWS APIs without having to sign may deploy and run code: from this machine only.
fn keys(config: &Config, report: Report<'_>) {
    let address = config.listen.api_addr;
    let store = config.credentials.store(&config.storage.data_dir);
    match store.list() {
        Ok(keys) if keys.is_empty() && !address.ip().is_loopback() => report(
            "listen.api_addr",
            format!(
                "binding the AWS APIs to {address} requires credentials, and there are no access keys in {}: whoever reaches \
                 the port could deploy and run code",
                store.path.display()
            ),
            Some("make a key first, with `lamina credentials create`, or use a loopback address".to_owned()),
        ),
        Ok(_) => {}
        Err(error) => report("credentials.file", error.to_string(), None),
    }
}

fn tls(config: &Config, report: Report<'_>) {
    for (port, (certificate, key)) in config.tls.by_port() {
        let keys = [format!("tls.{port}_certificate_file"), format!("tls.{port}_key_file")];
        for (name, path) in keys.iter().zip([certificate, key]) {
            if let Some(path) = path.filter(|path| !path.is_file()) {
                report(name, format!("{} is not a file", path.display()), None);
            }
        }
        let [certificate_key, key_key] = &keys;
        match (certificate, key) {
            (Some(_), None) => report(certificate_key, format!("needs {key_key}"), None),
            (None, Some(_)) => report(key_key, format!("needs {certificate_key}"), None),
            _ => {}
        }
    }
}

fn home(config: &Config, report: Report<'_>) {
    let region = config.home.region.as_str();
    let parts: Vec<&str> = region.split('-').collect();
    let well_formed = parts.len() >= 3
        && parts.iter().all(|part| {
            !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        })
        && region.len() <= 32;
    if !well_formed {
        report("home.region", format!("{region:?} is not a region"), Some("such as \"us-east-1\"".to_owned()));
    }
    let account = config.home.account.as_str();
    if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
        report("home.account", format!("{account:?} is not an account: twelve digits"), None);
    }
}

fn sections(config: &Config, report: Report<'_>) {
    if config.storage.data_dir.as_os_str().is_empty() {
        report("storage.data_dir", "must name a directory".to_owned(), None);
    }
    let sandbox = &config.sandbox;
    within(report, "sandbox.init_timeout_s", sandbox.init_timeout_s, 1..=900);
    within(report, "sandbox.idle_timeout_s", sandbox.idle_timeout_s, 0..=86_400);
    within(report, "sandbox.code_cache_mb", sandbox.code_cache_mb, 1..=1 << 24);
    within(report, "sandbox.compile_memory_mb", sandbox.compile_memory_mb, 64..=1 << 20);
    within(report, "sandbox.compile_timeout_s", sandbox.compile_timeout_s, 1..=3_600);
    within(report, "sandbox.pending_after_ms", sandbox.pending_after_ms, 0..=60_000);
    if sandbox.max_outbound_connections == 0 {
        report("sandbox.max_outbound_connections", "must be at least 1".to_owned(), None);
    }
    if let Some(file) = &sandbox.outbound_ca_file
        && !file.is_file()
    {
        report("sandbox.outbound_ca_file", format!("{} is not a file", file.display()), None);
    }
    section_images(&config.images, report);
    let concurrency = &config.concurrency;
    within(report, "concurrency.ceiling", concurrency.ceiling, 1..=1_000_000);
    within(report, "concurrency.max_lag_ms", concurrency.max_lag_ms, 0..=60_000);
    if concurrency.unreserved_minimum > concurrency.ceiling {
        let message =
            format!("{} is more than concurrency.ceiling, {}", concurrency.unreserved_minimum, concurrency.ceiling);
        report("concurrency.unreserved_minimum", message, None);
    }
    if let Err(error) = config.http.check() {
        report(&format!("http.{}", error.key), format!("{}: {}", error.value, error.fault), None);
    }
    for (key, fault) in config.function_urls.check() {
        report(&format!("function_urls.{key}"), fault, None);
    }
    within(report, "response_streaming.max_response_mb", config.response_streaming.max_response_mb, 1..=1 << 20);
    if let Err(error) = config.scheduler.check() {
        report(&format!("scheduler.{}", error.key), format!("{}: must be from 1 to 1000000", error.value), None);
    }
    if let Err(error) = config.asynchronous.check() {
        report(&format!("asynchronous.{}", error.key), error.message, None);
    }
    let mappings = &config.event_source_mappings;
    within(report, "event_source_mappings.concurrency", mappings.concurrency, 1..=10_000);
    within(report, "event_source_mappings.sweep_interval_s", mappings.sweep_interval_s, 1..=86_400);
    let shutdown = &config.shutdown;
    if mappings.drain_limit_s > shutdown.drain_limit_s {
        let message =
            format!("{} is more than shutdown.drain_limit_s has, of which it is a part", mappings.drain_limit_s);
        report("event_source_mappings.drain_limit_s", message, None);
    }
    within(report, "shutdown.drain_limit_s", shutdown.drain_limit_s, 0..=86_400);
    within(report, "shutdown.flush_limit_s", shutdown.flush_limit_s, 1..=3_600);
    if config.http.drain_limit_ms > u64::from(shutdown.drain_limit_s).saturating_mul(1_000) {
        let message =
            format!("{} is more than shutdown.drain_limit_s has, of which it is a part", config.http.drain_limit_ms);
        report("http.drain_limit_ms", message, None);
    }
    let capture = &config.log_capture;
    if capture.max_line_bytes == 0 || capture.max_line_bytes > 1 << 20 {
        report("log_capture.max_line_bytes", format!("must be from 1 to {}", 1 << 20), None);
    }
    if capture.max_invocation_bytes < capture.max_line_bytes {
        report("log_capture.max_invocation_bytes", "is less than log_capture.max_line_bytes".to_owned(), None);
    }
    if config.logs.max_queued_bytes == 0 {
        report("logs.max_queued_bytes", "must be at least 1".to_owned(), None);
    }
    within(report, "logs.linger_ms", config.logs.linger_ms, 0..=60_000);
    if config.metrics.max_label_sets == 0 {
        report("metrics.max_label_sets", "must be at least 1".to_owned(), None);
    }
    if let Err(error) = host_log::check(&config.host_log.level) {
        report("host_log.level", error.to_string(), None);
    }
}

fn section_images(images: &images::Config, report: Report<'_>) {
    for (name, registries) in [("registries", &images.registries), ("insecure_registries", &images.insecure_registries)]
    {
        for (index, registry) in registries.iter().enumerate() {
            if let Err(message) = images::Config::check_registry(registry) {
                report(&format!("images.{name}[{index}]"), message, Some("such as \"ghcr.io\"".to_owned()));
            }
        }
        if registries.len() > 100 {
            report(&format!("images.{name}"), "has more than 100 entries".to_owned(), None);
        }
    }
    for (index, directory) in images.layout_directories.iter().enumerate() {
        if !directory.is_absolute() {
            let message = format!("{} must be absolute", directory.display());
            report(&format!("images.layout_directories[{index}]"), message, None);
        }
    }
    for (name, file) in [("credentials_file", &images.credentials_file), ("ca_file", &images.ca_file)] {
        if let Some(file) = file.as_ref().filter(|file| !file.is_file()) {
            report(&format!("images.{name}"), format!("{} is not a file", file.display()), None);
        }
    }
    within(report, "images.pull_timeout_s", images.pull_timeout_s, 1..=3_600);
    within(report, "images.max_pulls", images.max_pulls, 1..=100);
}

fn functions(config: &Config, report: Report<'_>) {
    let mut names = HashSet::new();
    let mut reserved = 0u64;
    for (index, function) in config.functions.iter().enumerate() {
        let path = format!("functions[{index}]");
        if !names.insert(&function.name) {
            report(&format!("{path}.name"), format!("the function {} is declared twice", function.name), None);
        }
        one_function(&path, function, &config.images, report);
        layers_of(&path, function, config, report);
        reserved = reserved.saturating_add(taken(function));
        let free = config.concurrency.ceiling.saturating_sub(config.concurrency.unreserved_minimum);
        if taken(function) > 0 && reserved > u64::from(free) {
            let key = match function.reserved_concurrency {
                Some(_) => format!("{path}.reserved_concurrency"),
                None => format!("{path}.aliases"),
            };
            let message = format!(
                "declared functions take {reserved} of the concurrency so far, but concurrency.ceiling less \
                 concurrency.unreserved_minimum is {free}"
            );
            report(&key, message, None);
        }
    }
}

/// Layers of one function (Lambda quota).
const LAYERS_PER_FUNCTION: usize = 5;

fn layers_of(path: &str, function: &FunctionDeclaration, config: &Config, report: Report<'_>) {
    let key = format!("{path}.layers");
    let layers = function.layers.as_deref().unwrap_or_default();
    if layers.len() > LAYERS_PER_FUNCTION {
        report(&key, format!("names more than {LAYERS_PER_FUNCTION} layers"), None);
    }
    let home: Home = config.home();
    let mut names = HashSet::new();
    for layer in layers {
        let is_declared = config.layers.iter().any(|declared| declared.name.as_str() == layer);
        let name = match home.layer_version(layer) {
            Some((name, _)) => Some(name),
            None => LayerName::new(layer).ok().filter(|_| is_declared),
        };
        match name {
            None => {
                let hint = "name a layer of [[layers]], or a version by its ARN".to_owned();
                report(
                    &key,
                    format!("{layer:?} is neither a declared layer nor the ARN of a layer version here"),
                    Some(hint),
                );
            }
            Some(name) if !names.insert(name.clone()) => report(&key, format!("names the layer {name} twice"), None),
            Some(_) => {}
        }
    }
}

fn layers(config: &Config, report: Report<'_>) {
    let mut names = HashSet::new();
    for (index, layer) in config.layers.iter().enumerate() {
        let key = |name: &str| format!("layers[{index}].{name}");
        if !names.insert(&layer.name) {
            report(&key("name"), format!("the layer {} is declared twice", layer.name), None);
        }
        if !layer.path.is_dir() && !layer.path.is_file() {
            report(&key("path"), format!("there is no directory or zip {}", layer.path.display()), None);
        }
        if layer.description.chars().count() > 256 {
            report(&key("description"), "is longer than 256 characters".to_owned(), None);
        }
        if layer.license_info.as_ref().is_some_and(|license| license.chars().count() > 512) {
            report(&key("license_info"), "is longer than 512 characters".to_owned(), None);
        }
        if layer.compatible_runtimes.len() > 15 {
            report(&key("compatible_runtimes"), "has more than 15 runtimes".to_owned(), None);
        }
        // What a directory of runtimes adds is known when the daemon opens it.
        let is_known = |runtime: &str| runtimes::is_aws(runtime) || config.runtimes.dir.is_some();
        for runtime in layer.compatible_runtimes.iter().filter(|runtime| !is_known(runtime)) {
            report(&key("compatible_runtimes"), format!("{runtime:?} is no runtime of Lambda's"), None);
        }
    }
}

/// What a function takes from the ceiling whether it runs or not.
fn taken(function: &FunctionDeclaration) -> u64 {
    function.reserved_concurrency.map_or_else(|| provisioned(function), u64::from)
}

fn provisioned(function: &FunctionDeclaration) -> u64 {
    function.aliases.iter().filter_map(|alias| alias.provisioned_concurrency).map(u64::from).sum()
}

fn one_function(path: &str, function: &FunctionDeclaration, images: &images::Config, report: Report<'_>) {
    let key = |name: &str| format!("{path}.{name}");
    match (&function.package, &function.image) {
        (Some(package), None) if !(package.is_file() || function.is_interpreted() && package.is_dir()) => {
            let message = format!("there is no package file {}", package.display());
            let hint = package.to_string_lossy().contains("guests").then_some("cargo xtask guests builds the samples");
            report(&key("package"), message, hint.map(str::to_owned));
        }
        (Some(_), None) => {}
        (None, Some(image)) => {
            let parsed = image.parse::<ImageReference>();
            if let Err(message) = parsed.and_then(|reference| images.check_place(&reference)) {
                report(&key("image"), message, None);
            }
        }
        (Some(_), Some(_)) => report(&key("image"), "a function has a package or an image, not both".to_owned(), None),
        (None, None) => report(path, "needs a package or an image".to_owned(), None),
    }
    if function.handler.is_empty()
        || function.handler.len() > 128
        || function.handler.bytes().any(|b| b.is_ascii_whitespace())
    {
        report(&key("handler"), "must be 1 to 128 characters without spaces".to_owned(), None);
    } else if function.is_interpreted() && !function.handler.contains('.') {
        let message = "must name a module and a function in it, such as lambda_function.lambda_handler".to_owned();
        report(&key("handler"), message, None);
    }
    if function.role.is_some() && RoleArn::parse(&function.role_arn(&Home::default())).is_none() {
        report(&key("role"), "must be the name of a role or its ARN".to_owned(), None);
    }
    if function.description.chars().count() > 256 {
        report(&key("description"), "is longer than 256 characters".to_owned(), None);
    }
    within(report, &key("memory_size_mb"), function.memory_size_mb, 128..=10_240);
    within(report, &key("timeout_s"), function.timeout_s, 1..=900);
    within(report, &key("ephemeral_storage_mb"), function.ephemeral_storage_mb, 512..=10_240);
    for name in function.environment.keys() {
        let mut bytes = name.bytes();
        let good = bytes.next().is_some_and(|first| first.is_ascii_alphabetic())
            && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && name.len() > 1;
        if !good {
            let message = format!("{name:?} is not a variable's name: a letter, then letters, digits and _");
            report(&key(&format!("environment.{name}")), message, None);
        }
        if name.starts_with(settings::PREFIX) {
            let message = format!("{name} sets the sandbox");
            let hint = "use sandbox, cpu_time_limit_ms, outbound_hosts and idle_timeout_s of the function".to_owned();
            report(&key(&format!("environment.{name}")), message, Some(hint));
        }
    }
    let size: usize = function.environment.iter().map(|(name, value)| name.len().saturating_add(value.len())).sum();
    if size > 4_096 {
        report(&key("environment"), format!("has {size} bytes, more than 4096"), None);
    }
    // One at a time, so that the key at fault is known.
    let blank = FunctionDeclaration {
        environment: BTreeMap::new(),
        cpu_time_limit_ms: None,
        outbound_hosts: Vec::new(),
        idle_timeout_s: None,
        ..function.clone()
    };
    for (name, one) in [
        ("cpu_time_limit_ms", FunctionDeclaration { cpu_time_limit_ms: function.cpu_time_limit_ms, ..blank.clone() }),
        ("outbound_hosts", FunctionDeclaration { outbound_hosts: function.outbound_hosts.clone(), ..blank.clone() }),
        ("idle_timeout_s", FunctionDeclaration { idle_timeout_s: function.idle_timeout_s, ..blank.clone() }),
    ] {
        if let Err(message) = Settings::from_variables(&one.variables()) {
            report(&key(name), message, None);
        }
    }
    for name in function.environment.keys().filter(|name| settings::RESERVED_VARIABLES.contains(&name.as_str())) {
        report(&key(&format!("environment.{name}")), "is set by the platform".to_owned(), None);
    }
    if let Some(reserved) = function.reserved_concurrency
        && provisioned(function) > u64::from(reserved)
    {
        let message = format!("is less than the {} provisioned for the function's aliases", provisioned(function));
        report(&key("reserved_concurrency"), message, None);
    }
    aliases(path, function, report);
}

fn aliases(path: &str, function: &FunctionDeclaration, report: Report<'_>) {
    let mut names = HashSet::new();
    for (index, alias) in function.aliases.iter().enumerate() {
        let key = |name: &str| format!("{path}.aliases[{index}].{name}");
        if !names.insert(&alias.name) {
            report(&key("name"), format!("the alias {} is declared twice", alias.name), None);
        }
        if alias.description.chars().count() > 256 {
            report(&key("description"), "is longer than 256 characters".to_owned(), None);
        }
        let main = match alias.version {
            super::AliasVersion::Is(version) => Some(version),
            super::AliasVersion::LatestPublished => None,
        };
        for (version, weight) in &alias.weights {
            let key = key(&format!("weights.{version}"));
            if *version == Version::Latest || main == Some(Version::Latest) {
                report(&key, "an alias that points to several versions cannot point to $LATEST".to_owned(), None);
            }
            if main == Some(*version) {
                report(&key, format!("version {version} gets what the weights leave"), None);
            }
            if !(0.0..=1.0).contains(weight) {
                report(&key, format!("a weight is from 0.0 to 1.0, not {weight}"), None);
            }
        }
        // Sums of shares such as 0.1 are off by rounding.
        if alias.weights.values().sum::<f64>() > 1.0 + 1e-9 {
            report(&key("weights"), "come to more than 1.0 together".to_owned(), None);
        }
        if let Some(provisioned) = alias.provisioned_concurrency {
            within(report, &key("provisioned_concurrency"), provisioned, 1..=1_000_000);
            if main == Some(Version::Latest) {
                let message = "an alias that points to $LATEST has no provisioned concurrency".to_owned();
                report(&key("provisioned_concurrency"), message, None);
            }
        }
    }
}

fn routes(routes: &[RouteConfig], report: Report<'_>) {
    let mut sound = true;
    for (index, route) in routes.iter().enumerate() {
        if let Err(error) = Router::new(slice::from_ref(route)) {
            sound = false;
            report(&format!("routes[{index}]"), error.to_string(), None);
        }
    }
    if !sound {
        return;
    }
    if let Err(error) = Router::new(routes) {
        // The first prefix that fails ends with the route at fault.
        let fails = |count: &usize| routes.get(..*count).is_some_and(|prefix| Router::new(prefix).is_err());
        let count = match error {
            RouteError::TooMany { .. } => routes.len(),
            _ => (1..=routes.len()).find(fails).unwrap_or(routes.len()),
        };
        report(&format!("routes[{}]", count.saturating_sub(1)), error.to_string(), None);
    }
}

fn schedules(schedules: &[ScheduleDeclaration], report: Report<'_>) {
    let mut names = HashSet::new();
    for (index, schedule) in schedules.iter().enumerate() {
        let key = |name: &str| format!("schedules[{index}].{name}");
        if !names.insert((&schedule.group, &schedule.name)) {
            let message = format!("the schedule {}/{} is declared twice", schedule.group, schedule.name);
            report(&key("name"), message, None);
        }
        for (field, name) in [("name", &schedule.name), ("group", &schedule.group)] {
            if !is_schedule_name(name) {
                report(&key(field), format!("{name:?} is not 1 to 64 characters of [0-9a-zA-Z-_.]"), None);
            }
        }
        if let Err(error) = lamina_schedule_expressions::Expression::parse(&schedule.expression) {
            let hint = "rate(5 minutes), at(2027-01-31T12:00:00), cron(0 10 ? * MON-FRI *) or plain cron".to_owned();
            report(&key("expression"), error.to_string(), Some(hint));
        }
        if jiff::tz::TimeZone::get(&schedule.timezone).is_err() {
            let hint = "an IANA name such as \"Europe/Berlin\"".to_owned();
            report(&key("timezone"), format!("{:?} is not a known time zone", schedule.timezone), Some(hint));
        }
        if let (Some(start), Some(end)) = (schedule.start_at, schedule.end_at)
            && end <= start
        {
            report(&key("end_at"), "is not after start_at".to_owned(), None);
        }
        if let Some(window) = schedule.flexible_window_min {
            within(report, &key("flexible_window_min"), window, 1..=1_440);
        }
        if let Some(input) = &schedule.input
            && let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(input)
        {
            report(&key("input"), format!("is not JSON: {error}"), None);
        }
        within(report, &key("max_retry_attempts"), schedule.max_retry_attempts, 0..=185);
        within(report, &key("max_event_age_s"), schedule.max_event_age_s, 60..=86_400);
        if schedule.description.chars().count() > 512 {
            report(&key("description"), "is longer than 512 characters".to_owned(), None);
        }
    }
}

fn queues(queues: &[QueueDeclaration], report: Report<'_>) {
    let mut names: HashSet<&QueueName> = HashSet::new();
    for (index, queue) in queues.iter().enumerate() {
        let key = |name: &str| format!("queues[{index}].{name}");
        if !names.insert(&queue.name) {
            report(&key("name"), format!("the queue {} is declared twice", queue.name), None);
        }
        within(report, &key("visibility_timeout_s"), queue.visibility_timeout_s, 0..=43_200);
        within(report, &key("delay_s"), queue.delay_s, 0..=900);
        within(report, &key("retention_s"), queue.retention_s, 60..=1_209_600);
        within(report, &key("maximum_message_size_bytes"), queue.maximum_message_size_bytes, 1_024..=1_048_576);
        within(report, &key("receive_wait_s"), queue.receive_wait_s, 0..=20);
        if let Some(count) = queue.max_receive_count {
            within(report, &key("max_receive_count"), count, 1..=1_000);
            if queue.dead_letter_queue.is_none() {
                report(&key("max_receive_count"), "needs dead_letter_queue".to_owned(), None);
            }
        }
        if let Some(dead) = &queue.dead_letter_queue {
            if *dead == queue.name {
                report(&key("dead_letter_queue"), "is the queue itself".to_owned(), None);
            } else if dead.is_fifo() != queue.name.is_fifo() {
                let message = "must be of the same kind as the queue: both FIFO or both standard".to_owned();
                report(&key("dead_letter_queue"), message, None);
            }
        }
        if queue.content_based_deduplication && !queue.name.is_fifo() {
            report(
                &key("content_based_deduplication"),
                "is for FIFO queues, whose names end in .fifo".to_owned(),
                None,
            );
        }
    }
}

fn mappings(mappings: &[MappingDeclaration], report: Report<'_>) {
    let mut pairs = HashSet::new();
    for (index, mapping) in mappings.iter().enumerate() {
        let key = |name: &str| format!("mappings[{index}].{name}");
        if !pairs.insert((&mapping.queue, &mapping.function, &mapping.qualifier)) {
            let message = format!("the mapping of {} to {} is declared twice", mapping.queue, mapping.function);
            report(&key("queue"), message, None);
        }
        let most = if mapping.queue.is_fifo() { 10 } else { 10_000 };
        within(report, &key("batch_size"), mapping.batch_size, 1..=most);
        within(report, &key("batching_window_s"), mapping.batching_window_s, 0..=300);
        if mapping.queue.is_fifo() && mapping.batching_window_s > 0 {
            report(&key("batching_window_s"), "is not for FIFO queues".to_owned(), None);
        }
        if mapping.batch_size > 10 && mapping.batching_window_s == 0 && !mapping.queue.is_fifo() {
            let message = "more than 10 messages a batch need a batching_window_s of at least 1".to_owned();
            report(&key("batch_size"), message, None);
        }
        if let Some(maximum) = mapping.maximum_concurrency {
            within(report, &key("maximum_concurrency"), maximum, 2..=1_000);
        }
        if mapping.filters.len() > 10 {
            report(&key("filters"), "has more than 10 patterns".to_owned(), None);
        }
        for pattern in &mapping.filters {
            if let Err(error) = lamina_event_patterns::Pattern::parse(pattern) {
                report(&key("filters"), format!("{pattern:?}: {error}"), None);
            }
        }
    }
}
