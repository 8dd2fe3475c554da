//! A real Apache Kafka broker, started for one test binary and gone with it.
//!
//! One node in both roles, on free ports and in a fresh folder. The jars come from the folder that
//! `FLOWSTAGE_TEST_KAFKA` names; `tests/run` fetches them. A shell stands between the test and the broker: it reads
//! signals to pass on from a pipe, and when the pipe closes, because the test dropped it or died in any way, it
//! kills the broker and removes the folder.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};

/// How long a start may take. It takes four seconds on two idle cores; a busy machine is slower, a broken broker
/// never gets there.
const START_TIMEOUT: Duration = Duration::from_secs(120);

const WATCHDOG: &str = r#"
folder=$1; shift
"$@" </dev/null >>"$folder/broker.log" 2>&1 &
broker=$!
echo "$broker"
while read -r signal; do
  case $signal in
    WAIT) wait "$broker"; echo gone ;;
    START) "$@" </dev/null >>"$folder/broker.log" 2>&1 & broker=$!; echo "$broker" ;;
    *) kill -"$signal" "$broker" 2>/dev/null ;;
  esac
done
kill -KILL "$broker" 2>/dev/null
wait "$broker" 2>/dev/null
[ -f "$folder/keep" ] || rm -rf -- "$folder"
"#;

/// One broker.
#[derive(Debug)]
pub(crate) struct Broker {
    watchdog: Child,
    answers: BufReader<std::process::ChildStdout>,
    folder: PathBuf,
    port: u16,
}

impl Broker {
    /// Starts a broker of one's own, to stop and to kill. `None`, and a line that says so, where no jars are named.
    pub(crate) fn start(test: &str) -> Option<Self> {
        let Some(jars) = env::var_os("FLOWSTAGE_TEST_KAFKA") else {
            eprintln!(
                "left out: {test} needs a Kafka broker; FLOWSTAGE_TEST_KAFKA names no folder with its jars"
            );
            return None;
        };
        Some(Self::launch(Path::new(&jars)))
    }

    /// Returns the broker that the tests of this binary share, who are to use names of their own ([`unique`]).
    pub(crate) fn shared(test: &str) -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Broker>> = OnceLock::new();
        let shared = SHARED.get_or_init(|| Self::start(test));
        if shared.is_none() {
            eprintln!("left out: {test}");
        }
        shared.as_ref()
    }

    /// Returns the address to connect to.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Stops the broker as an operator would, and waits until it is gone.
    pub(crate) fn stop(&mut self) {
        self.end("TERM");
    }

    /// Kills the broker as a crash would, and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        self.end("KILL");
    }

    /// Starts it again, on the same folder and port.
    pub(crate) fn restart(&mut self) {
        self.tell("START");
        self.answer();
        self.wait_until_ready();
    }

    fn launch(jars: &Path) -> Self {
        let folder = tempfile::Builder::new().prefix("flowstage-kafka-").tempdir().unwrap().keep();
        let ports = [free_port(), free_port()];
        let port = ports[0].local_addr().unwrap().port();
        let controller = ports[1].local_addr().unwrap().port();
        let properties = folder.join("server.properties");
        fs::write(&properties, server_properties(&folder, port, controller)).unwrap();
        fs::write(folder.join("log4j2.properties"), LOG4J2).unwrap();

        let mut java = vec!["java", "-cp"].into_iter().map(str::to_owned).collect::<Vec<_>>();
        java.push(format!("{}/*", jars.display()));
        let format = Command::new(&java[0])
            .args(&java[1..])
            .args(["kafka.tools.StorageTool", "format", "-t", "Zmxvd3N0YWdlLXRlc3RzMA", "-c"])
            .arg(&properties)
            .output()
            .expect("java is installed where FLOWSTAGE_TEST_KAFKA is set");
        assert!(format.status.success(), "{}", String::from_utf8_lossy(&format.stderr));

        drop(ports);
        let mut watchdog = Command::new("sh")
            .args(["-c", WATCHDOG, "watchdog"])
            .arg(&folder)
            .args(&java)
            .args(["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"])
            .arg(format!("-Dlog4j2.configurationFile={}", folder.join("log4j2.properties").display()))
            .arg("kafka.Kafka")
            .arg(&properties)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let answers = BufReader::new(watchdog.stdout.take().unwrap());
        let mut broker = Self { watchdog, answers, folder, port };
        broker.answer();
        broker.wait_until_ready();
        broker
    }

    fn end(&mut self, signal: &str) {
        self.tell(signal);
        self.tell("WAIT");
        assert_eq!(self.answer(), "gone");
    }

    fn tell(&mut self, line: &str) {
        writeln!(self.watchdog.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    fn answer(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    fn wait_until_ready(&self) {
        let deadline = Instant::now() + START_TIMEOUT;
        let client: BaseConsumer =
            ClientConfig::new().set("bootstrap.servers", self.address()).create().unwrap();
        loop {
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok()
                && client
                    .fetch_metadata(None, Duration::from_secs(1))
                    .is_ok_and(|it| !it.brokers().is_empty())
            {
                return;
            }
            assert!(Instant::now() < deadline, "the broker does not start:\n{}", self.log());
            // Asks again until it answers; what is measured is nothing.
            thread::sleep(Duration::from_millis(50));
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.join("broker.log")).unwrap_or_default()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // The pipe closes, the shell does the rest.
        drop(self.watchdog.stdin.take());
        self.watchdog.wait().expect("the watchdog is our child");
    }
}

/// Returns a name that no other test of any process uses.
pub(crate) fn unique(what: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{what}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

fn free_port() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

const LOG4J2: &str = "\
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{ISO8601} %p %c{1} %m%n
";

fn server_properties(folder: &Path, port: u16, controller: u16) -> String {
    format!(
        "\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={}
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
log.retention.check.interval.ms=1000
",
        folder.join("data").display()
    )
}
