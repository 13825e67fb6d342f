//! `/metrics`: what Prometheus scrapes, rendered from counts and status at the moment of the scrape.
//!
//! Counting is left to `events` and the cluster crate; serving, to `admin`.

use argosy_cluster::ClusterStatus;
use prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType};
use prometheus::{Encoder, TextEncoder};

use crate::catalog::View;
use crate::events::tally::{BUCKETS, Counts};
use crate::listener;

/// What a scrape shows.
pub struct Scrape<'a> {
    /// The consensus as this node sees it.
    pub cluster: &'a ClusterStatus,
    /// The revision that this node enforces.
    pub enforced: u64,
    /// Whether something of that revision could not be enforced.
    pub enforcement_failures: u64,
    /// The node's counts.
    pub counts: &'a Counts,
    /// Live sessions by protocol.
    pub sessions: &'a [(&'static str, u64)],
    /// Bytes received and sent in live sessions.
    pub live_bytes: (u64, u64),
    /// Bans in force by what they keep out.
    pub bans: &'a [(&'static str, u64)],
    /// Certificates with the seconds since 1970 at which they, or their chains, end.
    pub certificates: &'a [(String, i64)],
    /// What the listeners have counted.
    pub connections: &'a listener::Counts,
}

/// The catalog's certificates that can be shown, with the seconds since 1970 at which each, or its chain, ends.
pub fn certificate_ends(view: &View) -> Vec<(String, i64)> {
    let ends = view.certificates.iter();
    let ends = ends.filter_map(|(name, object)| Some((name.to_string(), object.spec.not_after()?.0.div_euclid(1000))));
    ends.collect()
}

/// Renders the text exposition format.
pub fn render(scrape: &Scrape<'_>) -> String {
    let mut families = cluster_families(scrape);
    families.extend(service_families(scrape));
    families.extend(listener_families(scrape.connections));
    // The encoder refuses a family without a row: one that nothing was counted in yet is left out.
    families.retain(|family| !family.get_metric().is_empty());
    let mut text = Vec::new();
    match TextEncoder::new().encode(&families, &mut text) {
        Ok(()) => String::from_utf8_lossy(&text).into_owned(),
        Err(error) => {
            tracing::error!(%error, "the metrics could not be rendered");
            String::new()
        }
    }
}

fn cluster_families(scrape: &Scrape<'_>) -> Vec<MetricFamily> {
    let status = scrape.cluster;
    let lag = status.committed.saturating_sub(status.applied);
    let voters = status.members.values().filter(|member| member.voter).count();
    let learners = status.members.len() - voters;
    let mut families = vec![
        gauge(
            "argosy_build",
            "1; the label is the version.",
            vec![(vec![("version", env!("CARGO_PKG_VERSION"))], 1.0)],
        ),
        gauge("argosy_raft_term", "The Raft term.", one(status.term)),
        gauge(
            "argosy_raft_leader",
            "1 if this node leads the cluster.",
            one(u64::from(status.leader == Some(status.node))),
        ),
        gauge(
            "argosy_raft_leader_id",
            "The leader's node id; 0: none is known.",
            one(status.leader.map_or(0, |id| id.0)),
        ),
        gauge(
            "argosy_raft_quorum",
            "1 if a quorum was heard within one election timeout.",
            one(u64::from(status.quorum)),
        ),
        gauge(
            "argosy_raft_committed_index",
            "The last log index known as committed.",
            one(status.committed),
        ),
        gauge(
            "argosy_raft_applied_index",
            "The last log index applied here.",
            one(status.applied),
        ),
        gauge(
            "argosy_raft_apply_lag_entries",
            "Committed entries not yet applied here.",
            one(lag),
        ),
        gauge(
            "argosy_raft_last_log_index",
            "The last log index in this node's log.",
            one(status.last_log),
        ),
        gauge(
            "argosy_raft_members",
            "Members by kind.",
            vec![
                (vec![("kind", "voter")], voters as f64),
                (vec![("kind", "learner")], learners as f64),
            ],
        ),
        counter(
            "argosy_raft_log_fsyncs_total",
            "Fsyncs of the Raft log.",
            vec![(vec![], status.log_fsyncs as f64)],
        ),
        counter(
            "argosy_raft_log_fsync_seconds_total",
            "Seconds spent in fsyncs of the Raft log.",
            vec![(vec![], status.log_fsync_seconds)],
        ),
        gauge(
            "argosy_state_differs",
            "1 while the state of this node differs from the majority's; it is mended and must not serve.",
            one(u64::from(status.standing.not_ready.is_some())),
        ),
        gauge(
            "argosy_state_without_majority",
            "1 while the nodes' states differ and no majority has the same: changes stop until a person has looked.",
            one(u64::from(status.standing.no_majority)),
        ),
        gauge(
            "argosy_data_folder_nearly_full",
            "1 while the data folder has little room: this node refuses changes while it leads.",
            one(u64::from(status.standing.low_space)),
        ),
        gauge(
            "argosy_confirmed_leader_age_seconds",
            "Seconds since a leader that a quorum had confirmed was heard, across restarts.",
            vec![(vec![], status.standing.confirmed_age_seconds)],
        ),
        gauge(
            "argosy_enforced_revision",
            "The catalog revision that this node enforces.",
            one(scrape.enforced),
        ),
        gauge(
            "argosy_enforcement_failures",
            "Things of that revision that this node could not enforce (a taken port).",
            one(scrape.enforcement_failures),
        ),
    ];
    if !status.replicated.is_empty() {
        let names: Vec<(String, f64)> = status
            .replicated
            .iter()
            .map(|(id, index)| {
                let name = status
                    .members
                    .get(id)
                    .map_or_else(|| id.to_string(), |member| member.name.clone());
                (name, *index as f64)
            })
            .collect();
        let rows = names
            .iter()
            .map(|(name, index)| (vec![("member", name.as_str())], *index))
            .collect();
        families.push(gauge(
            "argosy_raft_replicated_index",
            "On the leader: what each member's log holds.",
            rows,
        ));
    }
    families
}

fn service_families(scrape: &Scrape<'_>) -> Vec<MetricFamily> {
    let counts = scrape.counts;
    let by = |first: &'static str,
              second: &'static str,
              map: &std::collections::BTreeMap<(&'static str, &'static str), u64>| {
        map.iter()
            .map(|((a, b), count)| (vec![(first, *a), (second, *b)], *count as f64))
            .collect::<Vec<_>>()
    };
    let bytes_in = (counts.ended_bytes_in + scrape.live_bytes.0) as f64;
    let bytes_out = (counts.ended_bytes_out + scrape.live_bytes.1) as f64;
    let sessions = scrape
        .sessions
        .iter()
        .map(|(protocol, count)| (vec![("protocol", *protocol)], *count as f64));
    let bans = scrape
        .bans
        .iter()
        .map(|(target, count)| (vec![("target", *target)], *count as f64));
    let certificates = scrape.certificates.iter();
    let certificates = certificates.map(|(name, end)| (vec![("certificate", name.as_str())], *end as f64));
    vec![
        gauge(
            "argosy_certificate_not_after_seconds",
            "When a certificate that services show, or its chain, ends, in seconds since 1970.",
            certificates.collect(),
        ),
        gauge("argosy_sessions", "Live sessions on this node.", sessions.collect()),
        gauge(
            "argosy_bans",
            "Bans that this node keeps out by, as far as they have not ended.",
            bans.collect(),
        ),
        counter(
            "argosy_logins_total",
            "Logins by method and result.",
            by("method", "result", &counts.logins),
        ),
        counter(
            "argosy_connections_refused_total",
            "Connections refused before a login.",
            vec![(vec![], counts.connections_refused as f64)],
        ),
        counter(
            "argosy_transferred_bytes_total",
            "Bytes of files by direction, as the node sees it.",
            vec![
                (vec![("direction", "in")], bytes_in),
                (vec![("direction", "out")], bytes_out),
            ],
        ),
        counter(
            "argosy_operations_total",
            "Operations on files and folders by outcome.",
            by("operation", "outcome", &counts.operations),
        ),
        histogram(counts),
        counter(
            "argosy_catalog_changes_total",
            "Catalog changes made through this node.",
            vec![(vec![], counts.changes as f64)],
        ),
        counter(
            "argosy_journal_failures_total",
            "Events that could not be written or synced.",
            vec![(vec![], counts.journal_failures as f64)],
        ),
    ]
}

fn listener_families(counts: &listener::Counts) -> Vec<MetricFamily> {
    let (accepted, refused, proxy) = (counts.accepted(), counts.refused(), counts.proxy_errors());
    let accepted = accepted
        .iter()
        .map(|(service, count)| (vec![("service", service.as_str())], *count as f64));
    let refused = refused.iter().map(|((service, reason), count)| {
        let labels = vec![("service", service.as_str()), ("reason", *reason)];
        (labels, *count as f64)
    });
    let proxy = proxy.iter().map(|(kind, count)| (vec![("kind", *kind)], *count as f64));
    vec![
        counter(
            "argosy_listener_accepted_total",
            "Connections that were handed to their protocol.",
            accepted.collect(),
        ),
        counter(
            "argosy_listener_refused_total",
            "Connections that were turned away before their protocol, by reason.",
            refused.collect(),
        ),
        counter(
            "argosy_listener_proxy_errors_total",
            "PROXY headers that were missing, wrong, or sent by a stranger.",
            proxy.collect(),
        ),
    ]
}

type Rows<'a> = Vec<(Vec<(&'a str, &'a str)>, f64)>;

fn one(value: u64) -> Rows<'static> {
    vec![(Vec::new(), value as f64)]
}

fn labels(pairs: &[(&str, &str)]) -> Vec<LabelPair> {
    let pair = |(name, value): &(&str, &str)| {
        let mut label = LabelPair::default();
        label.set_name((*name).to_owned());
        label.set_value((*value).to_owned());
        label
    };
    pairs.iter().map(pair).collect()
}

fn family(name: &str, help: &str, kind: MetricType, metrics: Vec<Metric>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    family.set_field_type(kind);
    family.set_metric(metrics);
    family
}

fn gauge(name: &str, help: &str, rows: Rows<'_>) -> MetricFamily {
    let metric = |(pairs, value): &(Vec<(&str, &str)>, f64)| {
        let mut gauge = Gauge::default();
        gauge.set_value(*value);
        let mut metric = Metric::from_label(labels(pairs));
        metric.set_gauge(gauge);
        metric
    };
    family(name, help, MetricType::GAUGE, rows.iter().map(metric).collect())
}

fn counter(name: &str, help: &str, rows: Rows<'_>) -> MetricFamily {
    let metric = |(pairs, value): &(Vec<(&str, &str)>, f64)| {
        let mut counter = Counter::default();
        counter.set_value(*value);
        let mut metric = Metric::from_label(labels(pairs));
        metric.set_counter(counter);
        metric
    };
    family(name, help, MetricType::COUNTER, rows.iter().map(metric).collect())
}

fn histogram(counts: &Counts) -> MetricFamily {
    let mut metrics = Vec::new();
    for (operation, seen) in &counts.seconds {
        let mut cumulative = 0;
        let mut buckets = Vec::new();
        for (bound, count) in BUCKETS.iter().zip(seen.counts) {
            cumulative += count;
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(*bound);
            bucket.set_cumulative_count(cumulative);
            buckets.push(bucket);
        }
        let mut histogram = Histogram::default();
        histogram.set_sample_count(seen.count);
        histogram.set_sample_sum(seen.sum);
        histogram.set_bucket(buckets);
        let mut metric = Metric::from_label(labels(&[("operation", operation)]));
        metric.set_histogram(histogram);
        metrics.push(metric);
    }
    family(
        "argosy_transfer_seconds",
        "Seconds from open to close of transfers.",
        MetricType::HISTOGRAM,
        metrics,
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::events::tally;

    #[test]
    fn a_scrape_has_a_help_line_and_a_unit_for_each_family() {
        let mut counts = Counts::default();
        counts.logins.insert(("password", "refused"), 3);
        let mut transfers = tally::Histogram {
            count: 2,
            sum: 0.7,
            ..tally::Histogram::default()
        };
        transfers.counts[5] = 2;
        counts.seconds.insert("file-uploaded", transfers);
        let status = ClusterStatus {
            cluster: "c".to_owned(),
            node: argosy_cluster::NodeId(1),
            role: "leader",
            leader: Some(argosy_cluster::NodeId(1)),
            term: 4,
            committed: 10,
            applied: 8,
            last_log: 11,
            quorum: true,
            replicated: [(argosy_cluster::NodeId(2), 9)].into(),
            members: Default::default(),
            feature_level: 1,
            state_hash: String::new(),
            log_fsyncs: 5,
            log_fsync_seconds: 0.25,
            standing: Default::default(),
        };
        let text = render(&Scrape {
            cluster: &status,
            enforced: 8,
            enforcement_failures: 0,
            counts: &counts,
            sessions: &[("sftp", 2)],
            live_bytes: (5, 6),
            bans: &[("network", 3), ("account", 0)],
            certificates: &[("main".to_owned(), 1_900_000_000)],
            connections: &listener::Counts::default(),
        });
        for line in [
            "argosy_raft_term 4",
            "argosy_raft_leader 1",
            "argosy_raft_apply_lag_entries 2",
            "argosy_raft_replicated_index{member=\"2\"} 9",
            "argosy_logins_total{method=\"password\",result=\"refused\"} 3",
            "argosy_sessions{protocol=\"sftp\"} 2",
            "argosy_bans{target=\"network\"} 3",
            "argosy_certificate_not_after_seconds{certificate=\"main\"} 1900000000",
            "argosy_bans{target=\"account\"} 0",
            "argosy_transferred_bytes_total{direction=\"out\"} 6",
            "argosy_transfer_seconds_bucket{operation=\"file-uploaded\",le=\"0.5\"} 2",
            "argosy_transfer_seconds_count{operation=\"file-uploaded\"} 2",
        ] {
            assert!(text.lines().any(|found| found == line), "no line `{line}` in:\n{text}");
        }
        for name in text
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| line.split(['{', ' ']).next())
        {
            assert!(name.starts_with("argosy_"), "{name}");
        }
    }
}
