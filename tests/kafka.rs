//! What only a broker can break: joining, handing over, committing, meeting the end, surviving a crash.
//!
//! Each scenario runs on the broker that librdkafka embeds, and again on a real Apache Kafka where
//! `FLOWSTAGE_TEST_KAFKA` names a folder with its jars. Waiting has a deadline that only a fault reaches; nothing is
//! measured.

mod support;

#[path = "kafka/generating.rs"]
mod generating;
#[path = "kafka/group.rs"]
mod group;
#[path = "kafka/reading.rs"]
mod reading;
#[path = "kafka/sending.rs"]
mod sending;
#[path = "kafka/setup.rs"]
mod setup;
