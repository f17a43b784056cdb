//! Results as CSV: one table for other programs.

use crate::report::{ExportError, Exporter, Results};

/// Records below the names of their columns.
#[derive(Debug)]
pub struct Csv;

impl Exporter for Csv {
    fn export(&self, results: &dyn Results) -> Result<String, ExportError> {
        let failed = |error: &dyn std::fmt::Display| ExportError::Csv(error.to_string());
        let records = results.records();
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(&records.columns).map_err(|error| failed(&error))?;
        records.rows.iter().try_for_each(|row| writer.serialize(row)).map_err(|error| failed(&error))?;
        let bytes = writer.into_inner().map_err(|error| failed(&error))?;
        String::from_utf8(bytes).map_err(|error| failed(&error))
    }
}
