//! Broker keys about the node itself, the controller and the metadata quorum.
//!
//! Names, types, defaults and bounds are those of Kafka 4.4; the sentences are ours.

use crate::config::definition::{ConfigDef, ConfigType, DefaultValue, Scope, Validator};

const NULL: DefaultValue = DefaultValue::Null;
const REQUIRED: DefaultValue = DefaultValue::Required;

const fn text(value: &'static str) -> DefaultValue {
    DefaultValue::Text(value)
}

const fn boolean(name: &'static str, default: DefaultValue, doc: &'static str) -> ConfigDef {
    ConfigDef::new(Scope::Broker, ConfigType::Boolean, name, default, doc)
}

const fn string(name: &'static str, default: DefaultValue, doc: &'static str) -> ConfigDef {
    ConfigDef::new(Scope::Broker, ConfigType::String, name, default, doc)
}

const fn int(name: &'static str, default: DefaultValue, doc: &'static str) -> ConfigDef {
    ConfigDef::new(Scope::Broker, ConfigType::Int, name, default, doc)
}

const fn long(name: &'static str, default: DefaultValue, doc: &'static str) -> ConfigDef {
    ConfigDef::new(Scope::Broker, ConfigType::Long, name, default, doc)
}

const fn list(name: &'static str, default: DefaultValue, doc: &'static str) -> ConfigDef {
    ConfigDef::new(Scope::Broker, ConfigType::List, name, default, doc)
}

const fn password(name: &'static str, default: DefaultValue, doc: &'static str) -> ConfigDef {
    ConfigDef::new(Scope::Broker, ConfigType::Password, name, default, doc)
}

/// The keys, by name.
pub(in crate::config) static KEYS: &[ConfigDef] = &[
    boolean("auto.leader.rebalance.enable", text("true"), "Whether leadership moves back to preferred replicas by itself.").high(),
    int("broker.heartbeat.interval.ms", text("2000"), "How often a broker sends a heartbeat to the controller."),
    int("broker.id", text("-1"), "Older name of `node.id`; if both are set they must agree.").high(),
    string("broker.rack", NULL, "Rack of this broker, used to spread replicas and to serve nearby consumers."),
    int("broker.session.timeout.ms", text("9000"), "A broker whose heartbeats stay away for this time is fenced."),
    list("config.providers", text(""), "Names of the providers that resolve references in config values.").valid(Validator::List { of: &[], empty_allowed: true }).low().cluster_wide(),
    boolean("controlled.shutdown.enable", text("true"), "Whether a stopping broker first hands over its leaderships."),
    list("controller.listener.names", REQUIRED, "Names of the listeners that the controller uses.").valid(Validator::List { of: &[], empty_allowed: false }).high(),
    long("controller.performance.always.log.threshold.ms", text("2000"), "Controller events slower than this are always logged.").min(0).internal(),
    long("controller.performance.sample.period.ms", text("60000"), "How often the controller logs a summary of its slowest event.").min(100).internal(),
    int("controller.quorum.append.linger.ms", text("25"), "How long the quorum leader gathers writes before it flushes them.").min(0),
    boolean("controller.quorum.auto.join.enable", text("false"), "Whether a new controller joins the voters by itself.").low(),
    list("controller.quorum.bootstrap.servers", text(""), "Addresses at which the controllers can be found, as `host:port`.").valid(Validator::Endpoints).high(),
    int("controller.quorum.election.backoff.max.ms", text("1000"), "Upper bound of the random pause between two elections.").min(0).high(),
    int("controller.quorum.election.timeout.ms", text("1000"), "How long a candidate waits for votes before it tries again.").min(0).high(),
    int("controller.quorum.fetch.max.bytes", text("1048576"), "Most bytes of the metadata log that one fetch returns; one batch is always returned.").min(1).low(),
    int("controller.quorum.fetch.snapshot.max.bytes", text("1048576"), "Most bytes of a snapshot that one fetch returns.").min(1).low(),
    int("controller.quorum.fetch.timeout.ms", text("2000"), "A voter that could not fetch from the leader for this time starts an election, and a leader that hears no majority for it steps down.").min(0).high(),
    int("controller.quorum.request.timeout.ms", text("2000"), "How long the quorum waits for the answer to a request.").min(0),
    int("controller.quorum.retry.backoff.ms", text("20"), "First pause before a failed quorum request is sent again.").min(0).low(),
    list("controller.quorum.voters", text(""), "The fixed set of voters, as `id@host:port`.").valid(Validator::Voters).high(),
    int("controller.quota.window.num", text("11"), "Number of samples kept for the quota on controller mutations.").min(1).low(),
    int("controller.quota.window.size.seconds", text("1"), "Length of one such sample.").min(1).low(),
    int("controller.socket.timeout.ms", text("30000"), "Socket timeout of the channel to the controller."),
    int("initial.broker.registration.timeout.ms", text("60000"), "A broker that could not register for this time after its start gives up."),
    long("internal.metadata.delete.delay.millis", text("60000"), "How long a deleted file of the metadata log still lies on disk, for tests.").low().internal(),
    int("internal.metadata.log.segment.bytes", NULL, "Segment size of the metadata log without its lower bound, for tests.").low().internal(),
    int("internal.metadata.max.batch.size.in.bytes", text("8388608"), "Largest batch of the metadata log, for tests.").low().internal(),
    long("leader.imbalance.check.interval.seconds", text("300"), "How often the controller looks for leaders that are not the preferred ones.").min(1).high(),
    string("metadata.log.dir", NULL, "Directory of the metadata log; unset means the first of `log.dirs`.").high(),
    long("metadata.log.max.record.bytes.between.snapshots", text("20971520"), "Bytes of new metadata after which a snapshot is taken.").min(1).high(),
    long("metadata.log.max.snapshot.interval.ms", text("3600000"), "Time after which a snapshot of changed metadata is taken; 0 means never by time.").min(0).high(),
    int("metadata.log.segment.bytes", text("1073741824"), "Size at which the metadata log starts a new segment.").min(8_388_608).high(),
    long("metadata.log.segment.ms", text("604800000"), "Age at which the metadata log starts a new segment.").high(),
    int("metadata.max.idle.interval.ms", text("500"), "How often an idle controller appends a record that does nothing; 0 means never.").min(0).low(),
    long("metadata.max.retention.bytes", text("104857600"), "Size of metadata log and snapshots above which old ones are deleted.").high(),
    long("metadata.max.retention.ms", text("604800000"), "Age at which old metadata segments and snapshots are deleted.").high(),
    int("node.id", REQUIRED, "Id of this node, 0 or more, unique in the cluster.").min(0).high(),
    password("odeon.cluster.secret", NULL, "What the nodes of a cluster prove to each other that they belong to it, at least 16 bytes, the same on all. Needed as soon as a node with others listens beyond its own machine.").high(),
    string("odeon.cluster.secret.file", NULL, "A file that holds `odeon.cluster.secret` instead.").high(),
    boolean("odeon.developer.kill.actors", text("false"), "Whether the console kills actors on request. For developers who watch how a node recovers; leave it off elsewhere."),
    list("process.roles", REQUIRED, "What this node does: `broker`, `controller` or both.").valid(Validator::List { of: &["broker", "controller"], empty_allowed: false }).high(),
    long("server.max.startup.time.ms", text("9223372036854775807"), "A start that takes longer than this is given up.").min(0).internal(),
    long("unclean.leader.election.interval.ms", text("300000"), "How often partitions without a leader are looked at for an unclean election.").min(1).internal(),
    boolean("unstable.api.versions.enable", text("false"), "Whether unfinished API versions are offered.").high().internal(),
    boolean("unstable.feature.versions.enable", text("false"), "Whether unfinished feature versions are offered.").high().internal(),
];
