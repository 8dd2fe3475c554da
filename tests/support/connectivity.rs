//! The file that says what may connect in a topology.

use std::collections::BTreeMap;
use std::io::Read;
use std::net::Ipv4Addr;
use std::path::Path;

use flate2::read::GzDecoder;
use flowstage::model::Protocol;

/// The protocols that are modelled.
pub const PROTOCOLS: [Protocol; 3] = [Protocol::TCP, Protocol::UDP, Protocol::SCTP];

/// Ports of protocols, both ends included.
#[derive(Default, Debug)]
pub struct Ports(Vec<(Protocol, u16, u16)>);

impl Ports {
    pub fn contains(&self, protocol: Protocol, port: u16) -> bool {
        self.0.iter().any(|(it, first, last)| *it == protocol && (*first..=*last).contains(&port))
    }
}

/// By the first address of a range: its last, and what it may connect by. Ranges do not overlap.
type Ranges = BTreeMap<u32, (u32, Ports)>;

/// Everything that may connect.
#[derive(Default, Debug)]
pub struct Connectivity {
    pairs: BTreeMap<(String, String), Ports>,
    from_outside: BTreeMap<String, Ranges>,
    to_outside: BTreeMap<String, Ranges>,
}

impl Connectivity {
    /// Reads the file of a topology's folder, packed or not.
    pub fn read(folder: &Path) -> Self {
        let plain = folder.join("expected-connectivity.txt");
        let mut text = String::new();
        if plain.exists() {
            text = std::fs::read_to_string(plain).expect("the expected connectivity");
        } else {
            let packed = std::fs::File::open(folder.join("expected-connectivity.txt.gz"));
            let mut packed = GzDecoder::new(packed.expect("the expected connectivity"));
            packed.read_to_string(&mut text).expect("text");
        }
        let mut all = Self::default();
        text.lines().filter(|it| !it.is_empty()).for_each(|it| all.add(it));
        all
    }

    fn add(&mut self, line: &str) {
        let (source, rest) = line.split_once(" => ").expect("a source");
        let (dest, connections) = rest.split_once(" : ").expect("a destination");
        let ports = ports(connections);
        match (range(source), range(dest)) {
            (None, None) => drop(self.pairs.insert((source.to_owned(), dest.to_owned()), ports)),
            (Some((first, last)), _) => {
                self.from_outside.entry(dest.to_owned()).or_default().insert(first, (last, ports));
            }
            (None, Some((first, last))) => {
                self.to_outside.entry(source.to_owned()).or_default().insert(first, (last, ports));
            }
        }
    }

    /// By what `source` may open connections to `dest`, if any; each is a workload or an address.
    pub fn between(&self, source: &str, dest: &str) -> Option<&Ports> {
        match (source.parse(), dest.parse()) {
            (Ok(address), _) => at(self.from_outside.get(dest), address),
            (Err(_), Ok(address)) => at(self.to_outside.get(source), address),
            (Err(_), Err(_)) => self.pairs.get(&(source.to_owned(), dest.to_owned())),
        }
    }

    /// Fails where a line names a workload that is none of `peers`.
    #[track_caller]
    pub fn assert_knows<'a>(&self, peers: impl Iterator<Item = &'a str>) {
        let peers: Vec<&str> = peers.collect();
        let named = self.pairs.keys().flat_map(|(source, dest)| [source, dest]);
        let named = named.chain(self.from_outside.keys()).chain(self.to_outside.keys());
        for name in named {
            assert!(peers.contains(&name.as_str()), "{name} is none of {peers:#?}");
        }
    }

    /// Every port at the end of a range.
    pub fn ports(&self) -> impl Iterator<Item = u16> {
        let ranges = self.from_outside.values().chain(self.to_outside.values()).flatten();
        let ports = self.pairs.values().chain(ranges.map(|(_, (_, ports))| ports));
        ports.flat_map(|it| &it.0).flat_map(|(_, first, last)| [*first, *last])
    }

    /// Every address at which a range begins, or behind which one ends.
    pub fn borders(&self) -> impl Iterator<Item = u32> {
        let ranges = self.from_outside.values().chain(self.to_outside.values()).flatten();
        ranges.flat_map(|(first, (last, _))| [Some(*first), last.checked_add(1)]).flatten()
    }
}

fn at(ranges: Option<&Ranges>, address: Ipv4Addr) -> Option<&Ports> {
    let address = address.to_bits();
    let (_, (last, ports)) = ranges?.range(..=address).next_back()?;
    (address <= *last).then_some(ports)
}

/// Reads `10.0.0.0-10.255.255.255[External]`.
fn range(peer: &str) -> Option<(u32, u32)> {
    let (first, last) = peer.strip_suffix("[External]")?.split_once('-').expect("a range");
    let bits = |text: &str| text.parse::<Ipv4Addr>().expect("an address").to_bits();
    Some((bits(first), bits(last)))
}

/// Reads `TCP 8080,9090,UDP 10053-10054`: what follows without a protocol belongs to the one before.
fn ports(text: &str) -> Ports {
    if text == "All Connections" {
        return Ports(PROTOCOLS.map(|it| (it, 1, 65_535)).to_vec());
    }
    let mut protocol = None;
    let ports = text
        .split(',')
        .map(|item| {
            let numbers = item.split_once(' ').map_or(item, |(name, numbers)| {
                protocol = Some(name.parse().expect("a protocol"));
                numbers
            });
            let (first, last) = numbers.split_once('-').unwrap_or((numbers, numbers));
            let number = |text: &str| text.parse().expect("a port");
            (protocol.expect("a protocol first"), number(first), number(last))
        })
        .collect();
    Ports(ports)
}
