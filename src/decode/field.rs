//! The members of flow records, and the quick way from a key to one of them.

/// Makes the enum, its names, and the look-up from one table: the first name is the field's own, the others are
/// spellings of other exporters.
macro_rules! fields {
    ($($(#[doc = $doc:literal])* $variant:ident = $name:literal $(| $alias:literal)*;)*) => {
        /// A member of a flow record, whatever the exporter calls it.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(u8)]
        pub(super) enum Field {
            $($(#[doc = $doc])* $variant,)*
        }

        impl Field {
            /// Every field.
            pub(super) const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Returns the field's own name.
            pub(super) const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// Finds the field that a key spells.
            pub(super) fn find(key: &str) -> Option<Self> {
                Some(match key {
                    $($name $(| $alias)* => Self::$variant,)*
                    _ => return None,
                })
            }
        }
    };
}

fields! {
    // Read.
    StartTime = "start_time" | "startTime";
    EndTime = "end_time" | "endTime";
    Action = "action";
    Reporter = "reporter";
    Proto = "proto" | "protocol";
    SourceIp = "source_ip";
    SourceName = "source_name" | "sourceName";
    SourceNameAggr = "source_name_aggr";
    SourceNamespace = "source_namespace" | "sourceNamespace";
    SourceType = "source_type" | "sourceType";
    SourcePort = "source_port";
    SourceLabels = "source_labels" | "sourceLabels";
    DestIp = "dest_ip";
    DestName = "dest_name" | "destName";
    DestNameAggr = "dest_name_aggr";
    DestNamespace = "dest_namespace" | "destNamespace";
    DestType = "dest_type" | "destType";
    DestPort = "dest_port" | "destPort";
    DestLabels = "dest_labels" | "destLabels";
    ServiceNamespace = "dest_service_namespace" | "destServiceNamespace";
    ServiceName = "dest_service_name" | "destServiceName";
    /// The port's name in Enterprise's records, its number in Goldmane's.
    ServicePort = "dest_service_port";
    ServicePortName = "dest_service_port_name" | "destServicePortName";
    ServicePortNumber = "dest_service_port_num" | "destServicePort";
    Policies = "policies";
    PacketsIn = "packets_in" | "packetsIn";
    PacketsOut = "packets_out" | "packetsOut";
    BytesIn = "bytes_in" | "bytesIn";
    BytesOut = "bytes_out" | "bytesOut";
    ConnectionsLive = "num_flows" | "num_connections_live" | "numConnectionsLive";
    ConnectionsStarted = "num_flows_started" | "num_connections_started" | "numConnectionsStarted";
    ConnectionsCompleted = "num_flows_completed" | "num_connections_completed" | "numConnectionsCompleted";
    /// Goldmane's flow key, an object.
    Key = "Key";
    // Known, and not read: named here so that they cost no search.
    Timestamp = "@timestamp";
    Host = "host";
    DestDomains = "dest_domains";
    HttpAllowed = "http_requests_allowed_in";
    HttpDenied = "http_requests_denied_in";
    ProcessName = "process_name";
    ProcessId = "process_id";
    ProcessArgs = "process_args";
    ProcessNames = "num_process_names";
    ProcessIds = "num_process_ids";
    ProcessArgsCount = "num_process_args";
    NatPorts = "nat_outgoing_ports";
    OriginalIps = "original_source_ips";
    OriginalIpsCount = "num_original_source_ips";
    TcpMeanWindow = "tcp_mean_send_congestion_window";
    TcpMinWindow = "tcp_min_send_congestion_window";
    TcpMeanRtt = "tcp_mean_smooth_rtt";
    TcpMaxRtt = "tcp_max_smooth_rtt";
    TcpMeanMinRtt = "tcp_mean_min_rtt";
    TcpMaxMinRtt = "tcp_max_min_rtt";
    TcpMeanMss = "tcp_mean_mss";
    TcpMinMss = "tcp_min_mss";
    TcpRetransmissions = "tcp_total_retransmissions";
    TcpLost = "tcp_lost_packets";
    TcpUnrecovered = "tcp_unrecovered_to";
}

/// The fields seen so far, one bit each.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Seen(u64);

const _: () = assert!(Field::ALL.len() <= 64, "one bit for each field");

impl Seen {
    /// Notes a field; tells whether it is new.
    #[inline]
    pub(super) const fn insert(&mut self, field: Field) -> bool {
        let bit = 1 << field as u8;
        let is_new = self.0 & bit == 0;
        self.0 |= bit;
        is_new
    }
}

/// How many members a record may have for its keys to be predicted.
const PREDICTED: usize = 64;

/// Finds fields by predicting them: an exporter writes its members in one order, so the key at a place is nearly always
/// the key that stood there last time, and one comparison confirms it.
///
/// This changes the cost only, never the answer.
#[derive(Debug)]
pub(super) struct Predictor {
    // The name beside its field: looking it up would cost more than comparing it.
    last: [(&'static str, Field); PREDICTED],
}

impl Predictor {
    /// Starts without experience.
    pub(super) const fn new() -> Self {
        Self { last: [(Field::StartTime.name(), Field::StartTime); PREDICTED] }
    }

    /// Finds the field that `key`, the member at `place`, spells.
    #[inline]
    pub(super) fn find(&mut self, place: usize, key: &str) -> Option<Field> {
        match self.last.get_mut(place) {
            Some((name, field)) if *name == key => Some(*field),
            Some(last) => {
                let found = Field::find(key)?;
                *last = (found.name(), found);
                Some(found)
            }
            None => Field::find(key),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prediction_does_not_change_the_answer() {
        let mut predictor = Predictor::new();
        for round in 0..3 {
            for (place, field) in Field::ALL.iter().enumerate() {
                assert_eq!(predictor.find(place + round, field.name()), Some(*field));
                assert_eq!(predictor.find(place, "nonsense"), None);
            }
        }
        assert_eq!(predictor.find(0, "sourceName"), Some(Field::SourceName));
        assert_eq!(predictor.find(1_000, "proto"), Some(Field::Proto));
    }
}
