//! What a run leaves: rows and facts, as JSON. Tables and plots are made from these alone.

use crate::measure::Latency;
use crate::store::Level;
use serde::{Deserialize, Serialize};

/// One figure of one store.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Row {
    pub store: String,
    pub level: Level,
    /// Name of the data set.
    pub data: String,
    /// What was measured, such as `get uniform`.
    pub name: String,
    pub threads: u64,
    pub value: f64,
    pub unit: Unit,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<Latency>,
    /// Points of a curve: keys, anonymous bytes, bytes of file pages.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub curve: Vec<[f64; 3]>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Operations a second.
    Rate,
    Bytes,
    Seconds,
    /// A bare number.
    Count,
    /// Did not end; the note says why.
    Failed,
}

/// A data set.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Data {
    pub name: String,
    pub keys: u64,
    pub key_len: usize,
    pub value_len: usize,
}

/// The machine and the run.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Facts {
    pub processor: String,
    pub cores: usize,
    pub memory_bytes: u64,
    pub kernel: String,
    pub file_system: String,
    /// The load of the last minute when the run began, and when it ended.
    pub load: [f64; 2],
    pub commit: String,
    pub date: String,
    pub seconds: f64,
    pub seed: u64,
    /// Seconds for which a rate is taken.
    pub span: f64,
    /// The command line.
    pub command: String,
    pub stores: Vec<[String; 2]>,
}

/// A whole run.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Run {
    pub facts: Facts,
    pub data: Vec<Data>,
    pub rows: Vec<Row>,
}

impl Run {
    /// One line for each row, so that two runs can be compared line by line.
    pub fn to_json(&self) -> serde_json::Result<String> {
        let rows: Vec<String> =
            self.rows.iter().map(serde_json::to_string).collect::<serde_json::Result<_>>()?;
        Ok(format!(
            "{{\"facts\":{},\n\"data\":{},\n\"rows\":[\n{}\n]}}\n",
            serde_json::to_string_pretty(&self.facts)?,
            serde_json::to_string(&self.data)?,
            rows.join(",\n")
        ))
    }
}
