//! Results as JSON, on one line.

use crate::report::{ExportError, Exporter, Results};

/// What the results are to programs that read JSON.
#[derive(Debug)]
pub struct Json;

impl Exporter for Json {
    fn export(&self, results: &dyn Results) -> Result<String, ExportError> {
        Ok(results.json()? + "\n")
    }
}
