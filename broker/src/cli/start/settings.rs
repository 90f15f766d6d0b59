//! From arguments and a file to a node's settings.

use super::*;

/// What a node starts with.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) config: BrokerConfig,
    pub(super) unknown: Vec<String>,
    pub(super) console: Option<HostPort>,
}

/// The settings: the file's, or the defaults of a lone node; over them the options; over those
/// `--set`.
pub(super) fn settings(args: &StartArgs) -> Result<Settings, Failure> {
    let listen = args.listen.as_deref().map(parse_address).transpose()?;
    let mut properties = match &args.config {
        Some(file) => {
            let mut properties = read(file)?;
            if let Some(listen) = &listen {
                listen_at(&mut properties, listen)?;
            }
            if let Some(data) = &args.data {
                properties.remove("log.dir");
                properties.insert("log.dirs".to_owned(), data.clone());
            }
            properties
        }
        None if let (Some(nodes), Some(node)) = (&args.cluster, args.node) => {
            one_of_many(nodes, node, args.data.as_deref())?
        }
        None => {
            let listen = match &listen {
                Some(listen) => listen.clone(),
                None => parse_address(DEFAULT_LISTEN)?,
            };
            default_properties(&listen, args.data.as_deref().unwrap_or(DEFAULT_DATA))
        }
    };
    properties.extend(args.set.iter().cloned());
    let (config, unknown) = BrokerConfig::from_properties(&properties).map_err(|error| {
        let place = match &args.config {
            Some(file) => format!("{}: ", file.display()),
            None => String::new(),
        };
        Failure::usage(format!("{place}{error}"))
    })?;
    Ok(Settings {
        config,
        unknown,
        console: console(args.console.as_deref(), listen.as_ref())?,
    })
}

/// The settings of a node of `--cluster`.
fn one_of_many(nodes: &str, node: u32, data: Option<&str>) -> Result<ConfigMap, Failure> {
    let nodes = parse_addresses(nodes)?;
    let data = data.map_or_else(|| format!("{DEFAULT_DATA}-{node}"), str::to_owned);
    let at = usize::try_from(node).unwrap_or(usize::MAX);
    cluster_properties(&nodes, at, &data).ok_or_else(|| {
        let count = nodes.len();
        Failure::usage(format!(
            "--node {node} is not among the {count} of --cluster"
        ))
        .hint("Ports must be from 1 to 65534.")
    })
}

fn console(text: Option<&str>, listen: Option<&HostPort>) -> Result<Option<HostPort>, Failure> {
    match text {
        Some("off") => Ok(None),
        Some(text) => Ok(Some(parse_address(text)?)),
        None => {
            let mut address = parse_address(DEFAULT_CONSOLE)?;
            if listen.is_some_and(|listen| listen.port == 0) {
                address.port = 0;
            }
            Ok(Some(address))
        }
    }
}

fn read(file: &Path) -> Result<ConfigMap, Failure> {
    let shown = file.display();
    let bytes = RealDisk
        .read(file)
        .map_err(|error| Failure::usage(format!("cannot read {shown}: {error}")))?;
    let text = String::from_utf8(bytes)
        .map_err(|_| Failure::usage(format!("{shown} is not a text in UTF-8")))?;
    parse_properties(&text).map_err(|error| Failure::usage(format!("{shown}, {error}")))
}

/// Moves a file's only listener for clients to another address.
fn listen_at(properties: &mut ConfigMap, listen: &HostPort) -> Result<(), Failure> {
    let list = |key: &str| {
        let text = properties.get(key).cloned().unwrap_or_default();
        let entries = text
            .split(',')
            .map(str::trim)
            .filter(|entry| !entry.is_empty());
        entries.map(str::to_owned).collect::<Vec<_>>()
    };
    let controllers = list("controller.listener.names");
    let mut listeners = list("listeners");
    if listeners.is_empty() {
        listeners.push("PLAINTEXT://:9092".to_owned());
    }
    let is_client = |entry: &&mut String| {
        let name = entry.split("://").next().unwrap_or_default();
        !controllers
            .iter()
            .any(|controller| controller.eq_ignore_ascii_case(name))
    };
    let mut clients: Vec<_> = listeners.iter_mut().filter(is_client).collect();
    let [only] = clients.as_mut_slice() else {
        return Err(
            Failure::usage("--listen needs a file with one listener for clients")
                .hint("Use --set listeners=... and --set advertised.listeners=... instead."),
        );
    };
    let name = only.split("://").next().unwrap_or_default().to_owned();
    **only = if is_every_interface(&listen.host) {
        format!("{name}://:{}", listen.port)
    } else {
        format!("{name}://{listen}")
    };
    properties.insert("listeners".to_owned(), listeners.join(","));
    properties.remove("advertised.listeners");
    Ok(())
}

#[cfg(test)]
mod tests;
