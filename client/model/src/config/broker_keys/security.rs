//! Broker keys about TLS, SASL and delegation tokens.
//!
//! Names, types, defaults and bounds are those of Kafka 4.4; the sentences are ours.

use crate::config::definition::{ConfigDef, ConfigType, DefaultValue, Scope, Validator};

const NULL: DefaultValue = DefaultValue::Null;

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

const fn short(name: &'static str, default: DefaultValue, doc: &'static str) -> ConfigDef {
    ConfigDef::new(Scope::Broker, ConfigType::Short, name, default, doc)
}

const fn long(name: &'static str, default: DefaultValue, doc: &'static str) -> ConfigDef {
    ConfigDef::new(Scope::Broker, ConfigType::Long, name, default, doc)
}

const fn double(name: &'static str, default: DefaultValue, doc: &'static str) -> ConfigDef {
    ConfigDef::new(Scope::Broker, ConfigType::Double, name, default, doc)
}

const fn list(name: &'static str, default: DefaultValue, doc: &'static str) -> ConfigDef {
    ConfigDef::new(Scope::Broker, ConfigType::List, name, default, doc)
}

const fn class(name: &'static str, default: DefaultValue, doc: &'static str) -> ConfigDef {
    ConfigDef::new(Scope::Broker, ConfigType::Class, name, default, doc)
}

const fn password(name: &'static str, default: DefaultValue, doc: &'static str) -> ConfigDef {
    ConfigDef::new(Scope::Broker, ConfigType::Password, name, default, doc)
}

/// The keys, by name.
pub(in crate::config) static KEYS: &[ConfigDef] = &[
    string(
        "authorizer.class.name",
        text(""),
        "Authorizer that decides what principals may do; blank allows everything.",
    )
    .low(),
    long(
        "delegation.token.expiry.check.interval.ms",
        text("3600000"),
        "How often expired delegation tokens are removed.",
    )
    .min(1)
    .low(),
    long(
        "delegation.token.expiry.time.ms",
        text("86400000"),
        "Time after which a delegation token must be renewed.",
    )
    .min(1),
    long(
        "delegation.token.max.lifetime.ms",
        text("604800000"),
        "Time after which a delegation token can no longer be renewed.",
    )
    .min(1),
    password(
        "delegation.token.secret.key",
        NULL,
        "Secret with which delegation tokens are signed, the same on all nodes.",
    ),
    class(
        "principal.builder.class",
        text("org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder"),
        "Builder that turns an authenticated connection into a principal.",
    )
    .per_broker(),
    class(
        "sasl.client.callback.handler.class",
        NULL,
        "Callback handler of the node's own SASL clients.",
    ),
    list(
        "sasl.enabled.mechanisms",
        text("GSSAPI"),
        "SASL mechanisms that clients may use.",
    )
    .valid(Validator::List {
        of: &[],
        empty_allowed: true,
    })
    .per_broker(),
    password(
        "sasl.jaas.config",
        NULL,
        "JAAS login settings of a listener.",
    )
    .per_broker(),
    string(
        "sasl.kerberos.kinit.cmd",
        text("/usr/bin/kinit"),
        "Path of the kinit command.",
    )
    .per_broker(),
    long(
        "sasl.kerberos.min.time.before.relogin",
        text("60000"),
        "Shortest pause between two attempts to renew a Kerberos login.",
    )
    .per_broker(),
    list(
        "sasl.kerberos.principal.to.local.rules",
        text("DEFAULT"),
        "Rules that map Kerberos principals to short names.",
    )
    .valid(Validator::List {
        of: &[],
        empty_allowed: true,
    })
    .per_broker(),
    string(
        "sasl.kerberos.service.name",
        NULL,
        "Kerberos name that the brokers run under.",
    )
    .per_broker(),
    double(
        "sasl.kerberos.ticket.renew.jitter",
        text("0.05"),
        "Random share added to the time of renewal.",
    )
    .per_broker(),
    double(
        "sasl.kerberos.ticket.renew.window.factor",
        text("0.8"),
        "Share of a ticket's life after which it is renewed.",
    )
    .per_broker(),
    class(
        "sasl.login.callback.handler.class",
        NULL,
        "Callback handler of the SASL login.",
    ),
    class(
        "sasl.login.class",
        NULL,
        "Implementation of the SASL login.",
    ),
    int(
        "sasl.login.connect.timeout.ms",
        NULL,
        "How long a login may take to reach its identity provider.",
    )
    .low(),
    int(
        "sasl.login.read.timeout.ms",
        NULL,
        "How long a login waits for its identity provider's answer.",
    )
    .low(),
    short(
        "sasl.login.refresh.buffer.seconds",
        text("300"),
        "Time that must be left of a credential's life when it is refreshed.",
    )
    .per_broker(),
    short(
        "sasl.login.refresh.min.period.seconds",
        text("60"),
        "Shortest pause before a credential is refreshed.",
    )
    .per_broker(),
    double(
        "sasl.login.refresh.window.factor",
        text("0.8"),
        "Share of a credential's life after which it is refreshed.",
    )
    .per_broker(),
    double(
        "sasl.login.refresh.window.jitter",
        text("0.05"),
        "Random share added to the time of a refresh.",
    )
    .per_broker(),
    long(
        "sasl.login.retry.backoff.max.ms",
        text("10000"),
        "Longest pause between two attempts to reach the identity provider.",
    )
    .low(),
    long(
        "sasl.login.retry.backoff.ms",
        text("100"),
        "First pause between two attempts to reach the identity provider.",
    )
    .low(),
    string(
        "sasl.mechanism.controller.protocol",
        text("GSSAPI"),
        "SASL mechanism towards the controllers.",
    )
    .high(),
    string(
        "sasl.mechanism.inter.broker.protocol",
        text("GSSAPI"),
        "SASL mechanism between brokers.",
    )
    .per_broker(),
    boolean(
        "sasl.oauthbearer.allow.unverified.audience",
        text("false"),
        "Whether tokens are accepted without a check of their audience.",
    ),
    boolean(
        "sasl.oauthbearer.allow.unverified.issuer",
        text("false"),
        "Whether tokens are accepted without a check of their issuer.",
    ),
    string(
        "sasl.oauthbearer.assertion.algorithm",
        text("RS256"),
        "Algorithm with which assertions are signed.",
    )
    .valid(Validator::OneOfIgnoreCase(&["ES256", "RS256"])),
    string(
        "sasl.oauthbearer.assertion.claim.aud",
        NULL,
        "Audience claim of assertions.",
    ),
    int(
        "sasl.oauthbearer.assertion.claim.exp.seconds",
        text("300"),
        "How long an assertion is valid.",
    )
    .range(0, 86400)
    .low(),
    string(
        "sasl.oauthbearer.assertion.claim.iss",
        NULL,
        "Issuer claim of assertions.",
    ),
    boolean(
        "sasl.oauthbearer.assertion.claim.jti.include",
        text("false"),
        "Whether assertions carry an id of their own.",
    ),
    int(
        "sasl.oauthbearer.assertion.claim.nbf.seconds",
        text("60"),
        "How far back the start of an assertion's validity lies.",
    )
    .range(0, 3600)
    .low(),
    string(
        "sasl.oauthbearer.assertion.claim.sub",
        NULL,
        "Subject claim of assertions.",
    ),
    string(
        "sasl.oauthbearer.assertion.file",
        NULL,
        "File with a ready assertion.",
    ),
    string(
        "sasl.oauthbearer.assertion.private.key.file",
        NULL,
        "File with the private key that signs assertions.",
    ),
    password(
        "sasl.oauthbearer.assertion.private.key.passphrase",
        NULL,
        "Passphrase of that key.",
    ),
    string(
        "sasl.oauthbearer.assertion.template.file",
        NULL,
        "File with fixed headers and claims of assertions.",
    ),
    string(
        "sasl.oauthbearer.client.credentials.client.id",
        NULL,
        "Client id for the client credentials grant.",
    ),
    password(
        "sasl.oauthbearer.client.credentials.client.secret",
        NULL,
        "Client secret for the client credentials grant.",
    ),
    int(
        "sasl.oauthbearer.clock.skew.seconds",
        text("30"),
        "Difference between clocks that is tolerated when tokens are checked.",
    )
    .low(),
    list(
        "sasl.oauthbearer.expected.audience",
        text(""),
        "Audiences of which a token must name one.",
    )
    .valid(Validator::List {
        of: &[],
        empty_allowed: true,
    })
    .high(),
    string(
        "sasl.oauthbearer.expected.issuer",
        NULL,
        "Issuer that a token must come from.",
    )
    .high(),
    long(
        "sasl.oauthbearer.jwks.endpoint.refresh.ms",
        text("3600000"),
        "How often the provider's public keys are fetched.",
    )
    .low(),
    long(
        "sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms",
        text("10000"),
        "Longest pause between two attempts to fetch the keys.",
    )
    .low(),
    long(
        "sasl.oauthbearer.jwks.endpoint.retry.backoff.ms",
        text("100"),
        "First pause between two attempts to fetch the keys.",
    )
    .low(),
    string(
        "sasl.oauthbearer.jwks.endpoint.url",
        NULL,
        "Where the provider's public keys are found.",
    ),
    class(
        "sasl.oauthbearer.jwt.retriever.class",
        text("org.apache.kafka.common.security.oauthbearer.DefaultJwtRetriever"),
        "Implementation that gets tokens.",
    ),
    class(
        "sasl.oauthbearer.jwt.validator.class",
        text("org.apache.kafka.common.security.oauthbearer.DefaultJwtValidator"),
        "Implementation that checks tokens.",
    ),
    string("sasl.oauthbearer.scope", NULL, "Scope to ask for."),
    string(
        "sasl.oauthbearer.scope.claim.name",
        text("scope"),
        "Name of the claim that holds the scope.",
    )
    .low(),
    string(
        "sasl.oauthbearer.sub.claim.name",
        text("sub"),
        "Name of the claim that holds the subject.",
    )
    .low(),
    string(
        "sasl.oauthbearer.token.endpoint.url",
        NULL,
        "Where tokens are asked for.",
    ),
    class(
        "sasl.server.callback.handler.class",
        NULL,
        "Callback handler of the server's side of SASL.",
    ),
    int(
        "sasl.server.max.receive.size",
        text("524288"),
        "Largest message accepted before authentication is complete.",
    ),
    string(
        "security.providers",
        NULL,
        "Java security providers; has no effect here.",
    )
    .low(),
    boolean(
        "ssl.allow.dn.changes",
        text("false"),
        "Whether a new certificate may have another distinguished name.",
    )
    .low(),
    boolean(
        "ssl.allow.san.changes",
        text("false"),
        "Whether a new certificate may lack some of the old alternative names.",
    )
    .low(),
    list(
        "ssl.cipher.suites",
        text(""),
        "Cipher suites that may be used; empty means the defaults.",
    )
    .valid(Validator::List {
        of: &[],
        empty_allowed: true,
    })
    .per_broker(),
    string(
        "ssl.client.auth",
        text("none"),
        "Whether clients must, may or need not show a certificate.",
    )
    .valid(Validator::OneOf(&["required", "requested", "none"]))
    .per_broker(),
    list(
        "ssl.enabled.protocols",
        text("TLSv1.2,TLSv1.3"),
        "TLS versions that may be used.",
    )
    .valid(Validator::List {
        of: &[],
        empty_allowed: true,
    })
    .per_broker(),
    string(
        "ssl.endpoint.identification.algorithm",
        text("https"),
        "How a server's name is checked against its certificate; blank switches the check off.",
    )
    .low()
    .per_broker(),
    class(
        "ssl.engine.factory.class",
        NULL,
        "Factory of TLS engines; has no effect here.",
    )
    .low()
    .per_broker(),
    password("ssl.key.password", NULL, "Password of the private key.").per_broker(),
    string(
        "ssl.keymanager.algorithm",
        text("SunX509"),
        "Java key manager algorithm; has no effect here.",
    )
    .per_broker(),
    password(
        "ssl.keystore.certificate.chain",
        NULL,
        "Certificate chain in PEM.",
    )
    .per_broker(),
    password("ssl.keystore.key", NULL, "Private key in PEM.").per_broker(),
    string("ssl.keystore.location", NULL, "Path of the key store.").per_broker(),
    password("ssl.keystore.password", NULL, "Password of the key store.").per_broker(),
    string("ssl.keystore.type", text("JKS"), "Format of the key store.").per_broker(),
    string(
        "ssl.principal.mapping.rules",
        text("DEFAULT"),
        "Rules that turn a certificate's distinguished name into a principal's name.",
    )
    .low(),
    string(
        "ssl.protocol",
        text("TLSv1.3"),
        "TLS version that is preferred.",
    )
    .per_broker(),
    string(
        "ssl.provider",
        NULL,
        "Java security provider for TLS; has no effect here.",
    )
    .per_broker(),
    string(
        "ssl.secure.random.implementation",
        NULL,
        "Java random number generator for TLS; has no effect here.",
    )
    .low()
    .per_broker(),
    string(
        "ssl.trustmanager.algorithm",
        text("PKIX"),
        "Java trust manager algorithm; has no effect here.",
    )
    .per_broker(),
    password(
        "ssl.truststore.certificates",
        NULL,
        "Trusted certificates in PEM.",
    )
    .per_broker(),
    string("ssl.truststore.location", NULL, "Path of the trust store.").per_broker(),
    password(
        "ssl.truststore.password",
        NULL,
        "Password of the trust store.",
    )
    .per_broker(),
    string(
        "ssl.truststore.type",
        text("JKS"),
        "Format of the trust store.",
    )
    .per_broker(),
];
